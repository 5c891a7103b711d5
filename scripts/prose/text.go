package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
)

type kind string

const (
	comment kind = "comments"
	literal kind = "strings"
	page    kind = "pages"
)

// A text is prose that begins at a line of a file.
type text struct {
	kind  kind
	file  string
	line  int
	words string
}

// directive matches a comment that a tool reads, such as //go:build.
var directive = regexp.MustCompile(`^//([a-z]+:|line |export |nolint)`)

func goFile(path string) ([]text, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	var texts []text
	add := func(k kind, pos token.Pos, words string) {
		texts = append(texts, text{kind: k, file: path, line: files.Position(pos).Line, words: words})
	}
	for _, group := range file.Comments {
		for _, c := range group.List {
			if !directive.MatchString(c.Text) {
				add(comment, c.Pos(), c.Text)
			}
		}
	}
	if strings.HasSuffix(path, "_test.go") {
		return texts, nil
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if lit, ok := node.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if words, err := strconv.Unquote(lit.Value); err == nil && len(strings.Fields(words)) > 1 {
				add(literal, lit.Pos(), words)
			}
		}
		return true
	})
	return texts, nil
}

// code matches inline code of Markdown, which may go over a line's end.
var code = regexp.MustCompile("`[^`]*`")

// markdown leaves out code: fenced, indented and inline. It keeps the lines, so that
// their numbers hold.
func markdown(path string) ([]text, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(content), "\n")
	fenced := false
	for i, line := range lines {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			fenced = !fenced
			lines[i] = ""
		case fenced || strings.HasPrefix(line, "    "):
			lines[i] = ""
		}
	}
	words := code.ReplaceAllStringFunc(strings.Join(lines, "\n"), func(code string) string {
		return strings.Repeat("\n", strings.Count(code, "\n"))
	})
	return []text{{kind: page, file: path, line: 1, words: words}}, nil
}
