// Package examples keeps two promises: that the mains in these folders are small, and
// that README.md shows one of them as it is.
package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lines are the most that the whole program of a folder may have, imports included,
// blank lines and those of comment alone left out.
var lines = map[string]int{
	"hello":     20,
	"lines":     25,
	"datagrams": 25,
	"site":      45,

	"peers/calls":    35,
	"peers/resolver": 35,
}

func TestMainsAreSmall(t *testing.T) {
	for folder, most := range lines {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %d files, %v", folder, len(files), err)
			continue
		}
		n := 0
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(source)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
					n++
				}
			}
		}
		t.Logf("%-15s %d lines, at most %d", folder, n, most)
		if n > most {
			t.Errorf("%s has %d lines, want at most %d", folder, n, most)
		}
	}
}

// The service that README.md begins with is examples/hello, but for the comment above it.
func TestReadmeShowsHello(t *testing.T) {
	source, err := os.ReadFile("hello/main.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, main, _ := strings.Cut(string(source), "\npackage main\n")
	if want := "```go\npackage main\n" + main + "```\n"; !strings.Contains(string(readme), want) {
		t.Errorf("README.md does not have\n%s", want)
	}
}
