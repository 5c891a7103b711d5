package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestCount(t *testing.T) {
	for prose, want := range map[string]counts{
		"What it has sent.":            {words: 4, what: 1},
		"whatever, whose, someone":     {words: 3},
		"who, whom or whoever: nobody": {words: 5, who: 3, nobody: 1},
		"It stopped to serve. It stops\nto accept; it stopped at once to drain": {words: 14, stoppedTo: 2},
		"a/who/b and what.go": {words: 3},
	} {
		if got := count(prose); got != want {
			t.Errorf("%q: %+v, want %+v", prose, got, want)
		}
	}
}

func TestGoFile(t *testing.T) {
	const source = "//go:build linux\n\n// Package p.\npackage p\n\nimport \"a b\"\n\nvar s = \"one two\" + \"one\" // why\n"
	for name, want := range map[string][]text{
		"p.go":      {{comment, "", 3, "// Package p."}, {comment, "", 8, "// why"}, {literal, "", 6, "a b"}, {literal, "", 8, "one two"}},
		"p_test.go": {{comment, "", 3, "// Package p."}, {comment, "", 8, "// why"}},
	} {
		path := write(t, name, source)
		got, err := goFile(path)
		for i := range want {
			want[i].file = path
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	path := write(t, "page.md", "one `what` two\n\n    what\n```\nwhat\n```\nthree `and\nwhat` four\n")
	got, err := markdown(path)
	want := []text{{page, path, 1, "one  two\n\n\n\n\n\nthree \n four\n"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func write(t *testing.T, name, content string) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
