package main

import (
	"fmt"
	"os"
	"path"
	"strings"
)

// smallest has the examples that show how little a correct main takes: the
// lines that each may have, without blank ones and those of comment alone.
var smallest = []struct {
	name   string
	folder string
	limit  int
}{
	{"http", "examples/hello", 20},
	{"grpc", "examples/peers/calls", 35},
	{"tcp", "examples/lines", 25},
	{"udp", "examples/datagrams", 25},
	{"dns", "examples/peers/resolver", 35},
	{"three", "examples/site", 45},
}

func (r *Report) examples() error {
	fmt.Print("Lines of the examples, imports included, blank lines and those of comment alone left out.\n\n")
	r.Examples = make(map[string]int)
	for _, example := range smallest {
		files, err := tracked(example.folder + "/*.go")
		if err != nil {
			return err
		}
		var lines int
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") || path.Dir(file) != example.folder {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
					lines++
				}
			}
		}
		r.Examples[example.name] = lines
		switch {
		case lines == 0:
			fmt.Printf("  %-6s %-24s there is none\n", example.name, example.folder)
			r.Failed = append(r.Failed, "no example "+example.folder)
		default:
			fmt.Printf("  %-6s %-24s %3d   at most %d\n", example.name, example.folder, lines, example.limit)
			r.limit(example.folder, lines, example.limit)
		}
	}
	fmt.Println()
	return nil
}
