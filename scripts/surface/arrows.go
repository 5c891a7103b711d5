package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	reload   = module + "/reload"
	mapFile  = "ARCHITECTURE.md"
	mapTitle = "## The rooms of reload"
)

// An arrow runs from a file to another one (or to an internal package) that has a
// declaration which the first one uses.
type arrow struct{ from, to string }

// arrows counts the arrows among the files of reload.
func (r *Report) arrows(packages map[string]Package) error {
	rooms, names, err := plan()
	if err != nil {
		return err
	}
	found, files, err := follow(packages)
	if err != nil {
		return err
	}
	fmt.Printf(`Arrows among the files of reload. A file has an arrow to another file if it uses a
function, method, type, field, constant or variable that is declared there, and to an
internal package of reload if it imports that; an internal package has arrows to those
that it imports. An arrow runs up if its end stands in a room above that of its start;
%q of %s says which room is above which.

`, strings.TrimPrefix(mapTitle, "## "), mapFile)
	for _, file := range files {
		if _, ok := rooms[file]; !ok {
			r.Unplaced = append(r.Unplaced, file)
		}
	}
	ups := make(map[string][]string)
	for _, a := range found {
		from, ok1 := rooms[a.from]
		to, ok2 := rooms[a.to]
		r.Arrows++
		if ok1 && ok2 && to < from {
			r.ArrowsUp++
			ups[a.from] = append(ups[a.from], a.to)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(ups)) {
		slices.Sort(ups[file])
		fmt.Printf("  %s (%s) uses %s\n", file, names[rooms[file]], strings.Join(ups[file], ", "))
	}
	if len(r.Unplaced) > 0 {
		fmt.Printf("  in no room: %s\n", strings.Join(r.Unplaced, ", "))
	}
	fmt.Printf("  %d of %d run up\n\n", r.ArrowsUp, r.Arrows)
	return nil
}

var row = regexp.MustCompile("^\\| ([^|]+) \\|.*\\| ([^|]*`[^|]+) \\|$")

// plan reads the rooms of reload, from the top one down.
func plan() (rooms map[string]int, names []string, err error) {
	text, err := os.ReadFile(mapFile)
	if err != nil {
		return nil, nil, err
	}
	_, section, ok := strings.Cut(string(text), mapTitle+"\n")
	if !ok {
		return nil, nil, fmt.Errorf("%s has no section %q", mapFile, mapTitle)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rooms = make(map[string]int)
	for line := range strings.Lines(section) {
		m := row.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		for _, file := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[2], -1) {
			rooms[file[1]] = len(names)
		}
		names = append(names, m[1])
	}
	return rooms, names, nil
}

// follow gives all arrows, and the files that they run between.
func follow(packages map[string]Package) (found []arrow, files []string, err error) {
	set := make(map[arrow]bool)
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		p := packages[path]
		name, internal := strings.CutPrefix(path, reload+"/internal/")
		if !internal {
			continue
		}
		files = append(files, "internal/"+name)
		for _, i := range p.Imports {
			if to, ok := strings.CutPrefix(i, reload+"/internal/"); ok {
				set[arrow{"internal/" + name, "internal/" + to}] = true
			}
		}
	}

	p := packages[reload]
	positions := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(positions, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		parsed = append(parsed, file)
		files = append(files, name)
		for _, i := range file.Imports {
			if to, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), reload+"/internal/"); ok {
				set[arrow{name, "internal/" + to}] = true
			}
		}
	}
	info := types.Info{Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: imported(packages, positions)}
	typed, err := config.Check(reload, positions, parsed, &info)
	if err != nil {
		return nil, nil, err
	}
	at := func(pos token.Pos) string { return filepath.Base(positions.Position(pos).Filename) }
	for use, object := range info.Uses {
		if object.Pkg() != typed {
			continue
		}
		if from, to := at(use.Pos()), at(object.Pos()); from != to {
			set[arrow{from, to}] = true
		}
	}
	return slices.Collect(maps.Keys(set)), files, nil
}
