// Command prose counts words that make a reader go back to the start of a sentence.
//
// A headless clause ("what a dead process has sent", "who waits for it") hides the
// noun that the sentence is about. The count is plain: each watched word counts
// wherever it stands, and the budget leaves room for the places where it is right.
//
//	go run ./scripts/prose          # the table; exits 1 above a budget
//	go run ./scripts/prose FOLDER…  # every line that counts, below these folders
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

const definition = `Words per 1,000 words of prose.
comments: every comment of Go files, tests included, without directives.
strings:  literals of two words or more in Go files that are not tests: help, errors, rules, log lines.
pages:    Markdown without code.
who counts who, whom and whoever; "stopped to" counts "stops to" as well.
`

func main() {
	texts, err := collect(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(1)
	}
	if folders := os.Args[1:]; len(folders) > 0 {
		list(texts, folders)
		return
	}
	if !report(texts) {
		os.Exit(1)
	}
}

// list prints the lines that count, to be edited.
func list(texts []text, folders []string) {
	for _, t := range texts {
		if !slices.ContainsFunc(folders, func(folder string) bool { return below(t.file, folder) }) {
			continue
		}
		for i, line := range strings.Split(t.words, "\n") {
			if count(line).watched() {
				fmt.Printf("%s:%d: %s\n", t.file, t.line+i, strings.TrimSpace(line))
			}
		}
	}
}

func below(file, folder string) bool {
	rel, err := filepath.Rel(folder, file)
	return err == nil && filepath.IsLocal(rel)
}

// report prints the table and the result as JSON. It returns whether every total is
// within its budget.
func report(texts []text) bool {
	fmt.Print(definition, "\n")
	folders := map[string]counts{}
	totals := map[kind]counts{}
	for _, t := range texts {
		c := count(t.words)
		totals[t.kind] = totals[t.kind].plus(c)
		if t.kind == comment {
			folder := filepath.Dir(t.file)
			folders[folder] = folders[folder].plus(c)
		}
	}

	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "words\twhat\twho\tnobody\tstopped to\t  ")
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		row(out, folder, folders[folder])
	}
	for _, k := range []kind{comment, literal, page} {
		row(out, "all "+string(k), totals[k])
	}
	out.Flush()

	result := map[string]any{}
	within := true
	for _, k := range []kind{comment, literal, page} {
		result[string(k)] = totals[k].figures()
		for _, over := range totals[k].over() {
			fmt.Printf("over budget in %s: %s\n", k, over)
			within = false
		}
	}
	result["within"] = within
	line, _ := json.Marshal(result)
	fmt.Println(string(line))
	return within
}

func row(out *tabwriter.Writer, name string, c counts) {
	f := c.figures()
	fmt.Fprintf(out, "%d\t%.1f\t%.1f\t%.1f\t%d\t  %s\n", c.words, f.What, f.Who, f.Nobody, c.stoppedTo, name)
}

// collect reads the prose of every file below root that belongs to the project.
func collect(root string) ([]text, error) {
	var texts []text
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			// prose has to name the words that it counts.
			if name := entry.Name(); path != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"dist", "testdata", "prose"}, name)) {
				return filepath.SkipDir
			}
			return nil
		}
		var found []text
		switch filepath.Ext(path) {
		case ".go":
			found, err = goFile(path)
		case ".md":
			found, err = markdown(path)
		}
		texts = append(texts, found...)
		return err
	})
	return texts, err
}
