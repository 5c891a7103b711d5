package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
)

// requirements reads go.mod.
func (r *Report) requirements() error {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		return fmt.Errorf("go mod edit: %w", err)
	}
	var file struct {
		Go      string
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &file); err != nil {
		return fmt.Errorf("go mod edit: %w", err)
	}
	r.Go = file.Go
	fmt.Printf("go.mod: go %s, and\n\n", file.Go)
	for _, required := range file.Require {
		if required.Indirect {
			r.Indirect = append(r.Indirect, required.Path)
			fmt.Printf("  %s (indirect)\n", required.Path)
		} else {
			r.Direct = append(r.Direct, required.Path)
			fmt.Printf("  %s\n", required.Path)
		}
	}
	fmt.Println()
	return nil
}
