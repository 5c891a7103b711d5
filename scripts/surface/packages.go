package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
)

const module = "github.com/instar-project/instar"

// A Package is one of those that `go list` knows, with the compiler's export data.
type Package struct {
	ImportPath string
	Name       string
	Dir        string
	Export     string
	GoFiles    []string
	Imports    []string
}

// list asks for the library's packages and all that they depend on.
func list() (map[string]Package, error) {
	command := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Name,Dir,Export,GoFiles,Imports", "./...")
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	packages := make(map[string]Package)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p Package
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages[p.ImportPath] = p
	}
}

// imported gives an importer that reads the compiler's export data.
func imported(packages map[string]Package, files *token.FileSet) types.Importer {
	return importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(packages[path].Export)
	})
}

// folder is the package's folder within the module.
func (p Package) folder() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// public tells whether a program of somebody else can and would import the package.
func (p Package) public() bool {
	if !strings.HasPrefix(p.ImportPath, module+"/") || p.Name == "main" {
		return false
	}
	for _, private := range []string{"internal", "integration", "examples", "scripts"} {
		if strings.Contains("/"+p.folder()+"/", "/"+private+"/") {
			return false
		}
	}
	return true
}
