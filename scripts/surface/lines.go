package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// linesBefore is library_lines at commit d6bb9db, where the work on the surface began:
// a smaller surface in more code would be no gain.
const linesBefore = 30206

// lines counts the lines of Go and assembly without those of tests.
func (r *Report) lines() error {
	files, err := tracked("*.go", "*.s")
	if err != nil {
		return err
	}
	r.Folders = make(map[string]int)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		n := bytes.Count(text, []byte("\n"))
		top, _, _ := strings.Cut(file, "/")
		switch top {
		case "integration", "examples", "scripts":
			r.Folders[top] += n
		default:
			r.Folders[path.Dir(file)] += n
			r.Lines += n
		}
	}
	r.LinesBefore = linesBefore
	fmt.Print("Lines without tests. The library is all but integration, examples and scripts.\n\n")
	for _, folder := range slices.Sorted(maps.Keys(r.Folders)) {
		fmt.Printf("  %-28s %6d\n", folder, r.Folders[folder])
	}
	fmt.Printf("  %-28s %6d   before %d: %+d\n\n", "library", r.Lines, linesBefore, r.Lines-linesBefore)
	r.limit("library_lines", r.Lines, linesBefore)
	return nil
}

// tracked lists files of the repository.
func tracked(patterns ...string) ([]string, error) {
	out, err := exec.Command("git", append([]string{"ls-files", "--"}, patterns...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	files := strings.Fields(string(out))
	return slices.DeleteFunc(files, func(file string) bool { // removed, and not yet committed
		_, err := os.Stat(file)
		return err != nil
	}), nil
}
