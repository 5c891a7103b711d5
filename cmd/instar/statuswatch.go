package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// errBusGone ends a watch that would never show anything again.
var errBusGone = errors.New("the bus has closed the connection")

// follow shows the findings of look, again and again, until ctx ends, which is no
// error.
func (f statusFlags) follow(ctx context.Context, s *site, stdout io.Writer, look func(context.Context) ([]report, error)) error {
	changes, stop, err := s.bus.Watch(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if fd, ok := terminal(stdout); ok && !f.json {
		err = f.redraw(ctx, changes, &screen{w: stdout, fd: fd}, look)
	} else {
		err = f.repeat(ctx, changes, stdout, look)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// repeat prints the reports whenever they have changed, with an empty line between two
// looks; as JSON one array a line.
func (f statusFlags) repeat(ctx context.Context, changes <-chan struct{}, w io.Writer, look func(context.Context) ([]report, error)) error {
	var shown []report
	bars := new(scale)
	for {
		all, err := look(ctx)
		if err != nil {
			return err
		}
		if shown == nil || !reflect.DeepEqual(all, shown) {
			if shown != nil && !f.json {
				fmt.Fprintln(w)
			}
			if err := f.show(w, all, paletteFor(w), bars); err != nil {
				return err
			}
			shown = all
		}
		select {
		case _, ok := <-changes:
			if !ok {
				return errBusGone
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// redraw draws the view in its place: on a change, when the terminal has another
// size, and once a second for the times in it. The last view stays.
func (f statusFlags) redraw(ctx context.Context, changes <-chan struct{}, s *screen, look func(context.Context) ([]report, error)) error {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer s.leave()
	bars, p := new(scale), paletteFor(s.w)
	for {
		all, err := look(ctx)
		if err != nil {
			return err
		}
		var view bytes.Buffer
		if len(all) == 0 {
			fmt.Fprintf(&view, "no service on the %s bus shows its status yet\n", f.scope())
		}
		if err := printReports(&view, all, time.Now(), p, bars); err != nil {
			return err
		}
		if err := s.draw(view.Bytes()); err != nil {
			return err
		}
		select {
		case _, ok := <-changes:
			if !ok {
				return errBusGone
			}
		case <-resized:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// screen is a terminal with a view that is drawn over and over, on its alternate
// screen, see console_codes(4) and terminfo(5): smcup.
type screen struct {
	w    io.Writer
	fd   int
	last []byte // nil: not entered
}

const (
	enter = "\x1b[?1049h\x1b[?25l" // the other screen, no cursor
	leave = "\x1b[?25h\x1b[?1049l"
	home  = "\x1b[H\x1b[?7l" // and lines that are too long are cut off
	rest  = "\x1b[?7h\x1b[J" // clears the rest of the last view below
	next  = "\x1b[K\r\n"     // clears the rest of a line
)

// draw shows as much of the view as there is room for.
func (s *screen) draw(view []byte) error {
	lines := bytes.Split(bytes.TrimSuffix(view, []byte("\n")), []byte("\n"))
	if _, height, err := term.GetSize(s.fd); err == nil && height > 1 && len(lines) >= height {
		lines = lines[:height-1]
	}
	var b bytes.Buffer
	if s.last == nil {
		b.WriteString(enter)
	}
	s.last = view
	b.WriteString(home)
	for _, line := range lines {
		b.Write(line)
		b.WriteString(next)
	}
	b.WriteString(rest)
	_, err := s.w.Write(b.Bytes())
	return err
}

// leave gives the terminal back as it was, with the last view on it.
func (s *screen) leave() {
	if s.last != nil {
		fmt.Fprintf(s.w, "%s%s", leave, s.last)
	}
}
