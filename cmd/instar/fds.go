package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/instar-project/instar/internal/sdstore"
	"github.com/instar-project/instar/internal/units"

	"github.com/spf13/cobra"
)

// fdsFlags are those of fds.
type fdsFlags struct {
	*options
	json, deep bool
}

// shallow is how many bytes of an entry are read without --deep.
const shallow = 64 << 20

func fdsCommand(o *options) *cobra.Command {
	flags := fdsFlags{options: o}
	cmd := &cobra.Command{
		Use:   "fds UNIT",
		Short: "List the entries of a service's file descriptor store",
		Long: `Lists the entries of a service's file descriptor store, as systemd has them, with
their contents. It changes nothing, and the service may run meanwhile.

An entry of package fdstore is of one of these kinds:

  fd       one descriptor
  blob     a value: its schema and size
  journal  a value and the changes since: schema, size, records
  bundle   many descriptors, in queues. The count includes removed ones that a
           queue keeps open until the bundle is compacted. One entry of a bundle
           has notes of the removed ones

Any other entry is the application's own, of no kind. Each Keeper has names of its
own. The number behind a name tells apart entries of one name: while one replaces
another, or those of a bundle.

The contents are read from the systemd process: as root, or with --user as the user
that runs it, and on this machine only. Elsewhere the list says "not readable" and
why. The first 64 MiB of an entry are read, for checksums and the count of records;
--deep reads all of it, whatever its size.

--json prints an array with an object for each entry:

  fdname       as in FDNAME= of sd_pid_notify_with_fds(3)
  kind         "fd", "blob", "journal", "bundle"; "" for any other
  keeper       the Keeper whose it is; "" for the one without a name
  name         that of the Keeper; "" for any other kind
  number       the number behind it
  type         "file", "socket", "fifo", "character device", "block device",
               "directory", "anonymous"
  path         as /proc/PID/fd shows it
  schema, bytes, records, record_bytes, torn_bytes
               of a blob, a journal or notes; bytes is the size of the value
  unchecked_bytes  bytes that only --deep reads
  descriptors  of a bundle
  not_readable why these are missing`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completeUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			unit, err := serviceName(args[0])
			if err != nil {
				return err
			}
			return flags.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), unit)
		},
	}
	cmd.Flags().BoolVar(&flags.deep, "deep", false, "read entries to their end, whatever their size")
	cmd.Flags().BoolVar(&flags.json, "json", false, "print JSON, for programs")
	return cmd
}

func (f fdsFlags) run(ctx context.Context, stdout, stderr io.Writer, unit string) error {
	systemd, err := f.dial(ctx)
	if err != nil {
		return err
	}
	defer systemd.Close()
	entries, err := systemd.Store(ctx, unit)
	switch {
	case errors.Is(err, units.ErrDenied):
		return fmt.Errorf("%s: %w", unit, units.ErrDenied)
	case errors.Is(err, units.ErrStoreDisabled):
		complain(stderr, "%s: %v", unit, units.ErrStoreDisabled)
	case err != nil:
		if now, asked := systemd.Query(ctx, unit); asked == nil && now.Load == "not-found" {
			return fmt.Errorf("%s: there is no such unit", unit)
		}
		return err
	case len(entries) == 0:
		complain(stderr, "the store of %s is empty", unit)
	}
	limit := int64(shallow)
	if f.deep {
		limit = 0
	}
	all := describe(ctx, entries, f.holder(ctx, systemd, entries), limit)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f.json {
		return printJSON(stdout, all, true)
	}
	return printEntries(stdout, all)
}

// holder is where the contents of entries can be read.
func (f fdsFlags) holder(ctx context.Context, systemd *units.Conn, entries []units.StoreEntry) holder {
	if f.host != "" {
		return holder{refused: errors.New("it is on another machine: run instar there")}
	}
	if len(entries) == 0 {
		return holder{}
	}
	pid, err := systemd.ManagerPID(ctx)
	if err != nil {
		return holder{refused: err}
	}
	return holderOf(pid)
}

// entryReport is an entry as fds --json prints it; its keys are promised.
type entryReport struct {
	FDName      string       `json:"fdname"`
	Kind        sdstore.Kind `json:"kind"`
	Keeper      string       `json:"keeper"`
	Name        string       `json:"name"`
	Number      uint64       `json:"number"`
	Type        string       `json:"type"`
	Path        string       `json:"path"`
	Schema      *uint32      `json:"schema,omitempty"`
	Bytes       *int64       `json:"bytes,omitempty"`
	Records     *int         `json:"records,omitempty"`
	RecordBytes *int64       `json:"record_bytes,omitempty"`
	TornBytes   *int64       `json:"torn_bytes,omitempty"`
	Unchecked   int64        `json:"unchecked_bytes,omitempty"`
	Descriptors *int         `json:"descriptors,omitempty"`
	NotReadable string       `json:"not_readable,omitempty"`
}

// describe describes entries; h reads their contents, limit bytes of each.
func describe(ctx context.Context, entries []units.StoreEntry, h holder, limit int64) []entryReport {
	all := []entryReport{} // not nil: JSON has null for that
	for _, e := range entries {
		r := entryReport{FDName: e.Name, Type: typeName(e.Mode), Path: e.Path}
		if n, ok := sdstore.Parse(e.Name); ok {
			r.Kind, r.Keeper, r.Name, r.Number = n.Kind, n.Keeper, n.Name, n.Number
		}
		if err := r.read(ctx, e, h, limit); err != nil {
			r.NotReadable = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b entryReport) int {
		return cmp.Or(cmp.Compare(a.Keeper, b.Keeper), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number), cmp.Compare(a.FDName, b.FDName))
	})
	return all
}

// read fills in the contents of an entry.
func (r *entryReport) read(ctx context.Context, e units.StoreEntry, h holder, limit int64) error {
	kind := r.Kind
	if kind == sdstore.Bundle && e.Mode.IsRegular() {
		kind = sdstore.Journal // its notes
	}
	switch kind {
	case sdstore.Blob, sdstore.Journal:
		c, err := h.contents(ctx, e, limit)
		if err != nil {
			return err
		}
		switch {
		case c.Journal && kind == sdstore.Blob:
			return errors.New("it is a journal")
		case !c.Journal && kind == sdstore.Journal:
			return errors.New("it is a blob")
		}
		r.Schema, r.Bytes, r.Unchecked = &c.Schema, &c.Bytes, c.Unchecked
		if kind == sdstore.Journal {
			r.Records, r.RecordBytes, r.TornBytes = &c.Records, &c.RecordBytes, &c.Torn
		}
	case sdstore.Bundle:
		n, err := h.queued(e)
		if err != nil {
			return err
		}
		r.Descriptors = &n
	}
	return nil
}

// typeName is the type of a file, as stat(1) has it.
func typeName(mode os.FileMode) string {
	switch {
	case mode&os.ModeSocket != 0:
		return "socket"
	case mode&os.ModeNamedPipe != 0:
		return "fifo"
	case mode&os.ModeCharDevice != 0:
		return "character device"
	case mode&os.ModeDevice != 0:
		return "block device"
	case mode.IsDir():
		return "directory"
	case mode.IsRegular():
		return "file"
	}
	return "anonymous" // an eventfd, a pidfd and their like
}

// printEntries prints a table for people.
func printEntries(w io.Writer, all []entryReport) error {
	if len(all) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tKEEPER\tNAME\tNUMBER\tCONTENTS")
	for _, r := range all {
		kind, name, number := string(r.Kind), r.Name, fmt.Sprint(r.Number)
		if kind == "" {
			kind, name, number = "-", r.FDName, "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", kind, plain(cmp.Or(r.Keeper, "-")), plain(name), number, plain(r.contents()))
	}
	return table.Flush()
}

// contents describes the contents of an entry, for people.
func (r entryReport) contents() string {
	s := r.described()
	if r.Unchecked > 0 {
		s += fmt.Sprintf("; %s not checked, see --deep", count(int(r.Unchecked), "byte"))
	}
	return s
}

func (r entryReport) described() string {
	switch {
	case r.NotReadable != "":
		return "not readable: " + r.NotReadable
	case r.Kind == sdstore.Bundle && r.Records != nil:
		return fmt.Sprintf("notes, %s of %s", count(*r.Records, "record"), count(int(*r.RecordBytes), "byte"))
	case r.Records != nil:
		s := fmt.Sprintf("schema %d, %s and %s of %s", *r.Schema, count(int(*r.Bytes), "byte"), count(*r.Records, "record"), count(int(*r.RecordBytes), "byte"))
		if *r.TornBytes > 0 {
			s += fmt.Sprintf(", %s of an unfinished one", count(int(*r.TornBytes), "byte"))
		}
		return s
	case r.Schema != nil:
		return fmt.Sprintf("schema %d, %s", *r.Schema, count(int(*r.Bytes), "byte"))
	case r.Descriptors != nil:
		return count(*r.Descriptors, "descriptor")
	}
	return r.Type + " " + r.Path
}
