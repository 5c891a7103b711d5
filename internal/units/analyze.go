package units

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// ErrNoAnalyze is in the error of [Analyze] where there is no systemd-analyze(1).
var ErrNoAnalyze = errors.New("systemd-analyze is not installed")

// Runner makes a command ready to run, as [exec.CommandContext] does; another
// one runs it in another place.
type Runner func(ctx context.Context, name string, args ...string) *exec.Cmd

// Analyze runs `systemd-analyze verify` on unit files and returns its output as
// findings of the rule "systemd-analyze". files are paths where run runs things;
// nil stands for [exec.CommandContext].
//
// The tool belongs to the installed systemd, so its findings may differ from
// version to version. The error has [ErrNoAnalyze] when there is none.
func Analyze(ctx context.Context, run Runner, scope Scope, files ...string) ([]Finding, error) {
	if run == nil {
		run = exec.CommandContext
	}
	cmd := run(ctx, "systemd-analyze", append([]string{"verify", "--" + scope.String(), "--man=no", "--no-pager", "--"}, files...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	findings := parseAnalyze(said.String())
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.As(err, &exit) && exit.ExitCode() == 127:
		return nil, fmt.Errorf("units: Analyze: %w", ErrNoAnalyze)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("units: Analyze: %w", ctx.Err())
	case err != nil && len(findings) == 0:
		return nil, fmt.Errorf("units: Analyze: systemd-analyze verify: %w", err)
	}
	return findings, nil
}

// InstalledVersion is the major version of the systemd that is installed, such as
// 257, as systemctl(1) says it: known where no systemd runs, as well. run is as for
// [Analyze].
func InstalledVersion(ctx context.Context, run Runner) (int, error) {
	if run == nil {
		run = exec.CommandContext
	}
	said, err := run(ctx, "systemctl", "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("units: systemctl --version: %w", err)
	}
	version, err := parseVersion(strings.TrimPrefix(string(said), "systemd "))
	if err != nil {
		return 0, fmt.Errorf("units: systemctl --version: %w", err)
	}
	return version, nil
}

var (
	analyzeFileLine = regexp.MustCompile(`^(/[^:]+):(\d+): (.+)$`)
	analyzeFile     = regexp.MustCompile(`^(/[^:]+): (.+)$`)
	analyzeUnit     = regexp.MustCompile(`^([^/:\s]+\.[a-z]+): (.+)$`)
)

// parseAnalyze reads the stderr of systemd-analyze verify.
func parseAnalyze(said string) []Finding {
	var findings []Finding
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(strings.ToValidUTF8(line, "\ufffd"))
		if line == "" {
			continue
		}
		f := Finding{Rule: "systemd-analyze", Severity: analyzeSeverity(line), Reason: line, Man: "systemd-analyze(1)"}
		if m := analyzeFileLine.FindStringSubmatch(line); m != nil {
			f.File, f.Reason = m[1], m[3]
			f.Line, _ = strconv.Atoi(m[2])
		} else if m := analyzeFile.FindStringSubmatch(line); m != nil {
			f.File, f.Reason = m[1], m[2]
		} else if m := analyzeUnit.FindStringSubmatch(line); m != nil {
			f.Unit, f.Reason = m[1], m[2]
		}
		if f.File != "" {
			f.Unit = unitOfFile(f.File)
		}
		findings = append(findings, f)
	}
	return Merge(findings)
}

// analyzeSeverity goes by systemd's words: a line that it ignores or puts up with
// is no failure.
func analyzeSeverity(line string) Severity {
	line = strings.ToLower(line)
	switch {
	case strings.Contains(line, "proceeding anyway"):
		return Hint
	case strings.Contains(line, "ignor"), strings.Contains(line, "obsolete"), strings.Contains(line, "deprecated"):
		return Warning
	}
	return Error
}

// unitOfFile is the unit that a file belongs to; for a drop-in its folder says.
func unitOfFile(file string) string {
	if folder, ok := strings.CutSuffix(filepath.Base(filepath.Dir(file)), ".d"); ok && strings.HasSuffix(file, ".conf") {
		return folder
	}
	return filepath.Base(file)
}
