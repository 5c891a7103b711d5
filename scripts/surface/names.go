package main

import (
	"fmt"
	"go/token"
	"go/types"
	"maps"
	"slices"
)

// Names counts the exported names of a package.
type Names struct {
	TopLevel int `json:"top_level"`
	All      int `json:"all"`
}

func (r *Report) names(packages map[string]Package) error {
	fmt.Print(`Exported names of the packages that a user imports.
top level: constants, variables, functions and types.
all:       these, the exported methods and fields of exported types, and the methods of
           exported interfaces. An alias of an internal type, or an embedded type that
           is internal or not exported, counts by its own methods and fields.

`)
	r.Names = make(map[string]Names)
	from := imported(packages, token.NewFileSet())
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		p := packages[path]
		if !p.public() {
			continue
		}
		typed, err := from.Import(path)
		if err != nil {
			return err
		}
		n := count(typed, packages)
		r.Names[p.folder()] = n
		r.TopLevel += n.TopLevel
		r.All += n.All
		fmt.Printf("  %-20s %4d %4d\n", p.folder(), n.TopLevel, n.All)
	}
	fmt.Printf("  %-20s %4d %4d   at most %d, %d\n\n", "in all", r.TopLevel, r.All, maxTopLevel, maxAll)
	r.limit("top_level", r.TopLevel, maxTopLevel)
	r.limit("all", r.All, maxAll)
	return nil
}

func count(p *types.Package, packages map[string]Package) (n Names) {
	for _, name := range p.Scope().Names() {
		object := p.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		n.TopLevel++
		n.All++
		if _, ok := object.(*types.TypeName); ok {
			c := counter{home: p, packages: packages}
			n.All += c.members(object.Type())
		}
	}
	return n
}

// A counter counts the members of one type.
type counter struct {
	home     *types.Package
	packages map[string]Package
}

// members counts the exported methods and fields of t, unless another public package
// has it among its own.
func (c counter) members(t types.Type) (n int) {
	t = types.Unalias(t)
	if pointer, ok := t.(*types.Pointer); ok {
		t = types.Unalias(pointer.Elem())
	}
	if named, ok := t.(*types.Named); ok {
		if !c.ours(named) {
			return 0
		}
		for method := range named.Methods() {
			if method.Exported() {
				n++
			}
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Struct:
		for field := range u.Fields() {
			if field.Exported() {
				n++
			}
			if field.Embedded() && (!field.Exported() || c.hidden(field.Type())) {
				n += c.members(field.Type())
			}
		}
	case *types.Interface:
		for method := range u.ExplicitMethods() {
			if method.Exported() {
				n++
			}
		}
		for embedded := range u.EmbeddedTypes() {
			if c.hidden(embedded) {
				n += c.members(embedded)
			}
		}
	}
	return n
}

// ours tells whether t is of the package that is counted, or of an internal one.
func (c counter) ours(t *types.Named) bool {
	p := t.Obj().Pkg()
	return p != nil && (p.Path() == c.home.Path() || c.internal(p))
}

// hidden tells whether no public package counts t: it is internal, or not exported.
func (c counter) hidden(t types.Type) bool {
	t = types.Unalias(t)
	if pointer, ok := t.(*types.Pointer); ok {
		t = types.Unalias(pointer.Elem())
	}
	named, ok := t.(*types.Named)
	return ok && named.Obj().Pkg() != nil &&
		(c.internal(named.Obj().Pkg()) || c.ours(named) && !named.Obj().Exported())
}

// internal tells whether p is an internal package of this module.
func (c counter) internal(p *types.Package) bool {
	q := c.packages[p.Path()]
	return q.ImportPath != "" && !q.public() && len(p.Path()) > len(module) && p.Path()[:len(module)] == module
}
