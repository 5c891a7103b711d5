package reload

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// doc.go has every environment variable that this package and those below it read.
func TestVariablesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	reads := regexp.MustCompile(`(?:Getenv|LookupEnv|lookup|Variable +=|env[A-Z]\w+ +=) *\(?"([A-Z][A-Z_]+)"`)
	found := 0
	for _, folder := range []string{".", "../notify", "../activation", "../fdstore", "../internal/sdstore"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range reads.FindAllStringSubmatch(string(text), -1) {
				found++
				if !strings.Contains(string(doc), match[1]) {
					t.Errorf("%s reads %s, which doc.go does not have", file, match[1])
				}
			}
		}
	}
	if found < 12 {
		t.Errorf("%d variables found", found)
	}
}
