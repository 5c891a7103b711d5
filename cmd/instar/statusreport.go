package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/instar-project/instar/internal/status"
	"github.com/instar-project/instar/internal/units"
	"github.com/instar-project/instar/internal/verdict"
	"github.com/instar-project/instar/reload"
)

// The output of status --json. Its keys are promised, and documented in the help of
// the command: more may come, none goes.

type report struct {
	Unit    string         `json:"unit"`
	Name    string         `json:"name"`
	Problem string         `json:"problem,omitempty"`
	Own     []socketReport `json:"own_sockets,omitempty"`
	Live    []string       `json:"live_problems,omitempty"`
	State   *stateReport   `json:"state"`
	Systemd *systemdReport `json:"systemd"`

	gone bool // the name has no owner
}

type stateReport struct {
	Generation         int              `json:"generation"`
	Phase              string           `json:"phase"`
	Build              string           `json:"build"`
	Version            string           `json:"version"`
	Revision           string           `json:"revision"`
	MainPID            int              `json:"main_pid"`
	Since              *time.Time       `json:"since"`
	Connections        int              `json:"connections"`
	Draining           []drainingReport `json:"draining"`
	Killed             int              `json:"killed"`
	Unsettled          string           `json:"unsettled"`
	Sockets            []socketReport   `json:"sockets"`
	Store              storeReport      `json:"store"`
	Attempts           int              `json:"attempts"`
	AttemptsNotLasting int              `json:"attempts_not_lasting"`
	Upgrade            *upgradeReport   `json:"upgrade"`
	UnitProblems       []string         `json:"unit_problems"`
	RestartNeeded      []string         `json:"restart_needed"`
}

type drainingReport struct {
	reload.Party
	Connections int       `json:"connections"`
	Deadline    time.Time `json:"deadline"`
}

type socketReport struct {
	Name    string `json:"name"`
	Network string `json:"network"`
	Address string `json:"address"`
}

type storeReport struct {
	Used int `json:"used"`
	Max  int `json:"max"`
}

// upgradeReport is the last upgrade.
type upgradeReport struct {
	verdict.Report
	verdict reload.Verdict
}

type systemdReport struct {
	Load             string     `json:"load_state"`
	Active           string     `json:"active_state"`
	Sub              string     `json:"sub_state"`
	MainPID          int        `json:"main_pid"`
	Restarts         int        `json:"restarts"`
	NeedDaemonReload bool       `json:"need_daemon_reload"`
	ActiveSince      *time.Time `json:"active_since"`
	Result           string     `json:"result"`
	Exit             string     `json:"exit"`
	StatusText       string     `json:"status_text"`
	StatusErrno      int        `json:"status_errno"`
}

// stateOf reports the state of a service. systemd may be nil.
func stateOf(s status.State, systemd *systemdReport) *stateReport {
	r := &stateReport{
		Generation: s.Generation, Phase: s.Phase, Build: s.Build, Version: s.Version, Revision: s.Revision,
		MainPID: s.MainPID, Since: since(s, systemd), Connections: s.Connections,
		Draining: []drainingReport{}, Sockets: []socketReport{},
		Killed: s.Killed, Unsettled: s.Unsettled,
		Store:    storeReport{s.StoreUsed, s.StoreMax},
		Attempts: s.Attempts, AttemptsNotLasting: s.NotLasting,
		Upgrade:       upgradeOf(s.Verdict),
		UnitProblems:  append([]string{}, s.UnitProblems...), // not nil: JSON has null for that
		RestartNeeded: append([]string{}, s.RestartNeeded...),
	}
	for _, d := range s.Draining {
		r.Draining = append(r.Draining, drainingReport{d.Party, d.Connections, d.Deadline.UTC()})
	}
	for _, socket := range s.Sockets {
		r.Sockets = append(r.Sockets, socketReport(socket))
	}
	return r
}

// since is when the generation that answers became the main one. Of a service of before
// MainSinceUSec its last upgrade may tell; the first generation is as old as the unit's
// last start.
func since(s status.State, systemd *systemdReport) *time.Time {
	v := s.Verdict
	switch {
	case !s.Since.IsZero():
		t := s.Since.UTC()
		return &t
	case v.Attempt != 0 && v.Err == nil && v.To.Generation == s.Generation:
		t := v.Ended().UTC()
		return &t
	case s.Generation == 1 && systemd != nil:
		return systemd.ActiveSince
	}
	return nil
}

// underWay is how many upgrades have begun and not ended: 1 or 0.
func (s *stateReport) underWay() int {
	ended := 0
	if s.Upgrade != nil {
		ended = s.Upgrade.Attempt
	}
	return min(1, max(0, s.Attempts-ended))
}

func upgradeOf(v reload.Verdict) *upgradeReport {
	if v.Attempt == 0 {
		return nil
	}
	return &upgradeReport{v.Report(), v}
}

func systemdOf(s units.Status) *systemdReport {
	r := &systemdReport{
		Load: s.Load, Active: s.Active, Sub: s.Sub, MainPID: s.MainPID,
		Restarts: s.NRestarts, NeedDaemonReload: s.NeedDaemonReload,
		Result: s.Result, Exit: s.Exit, StatusText: s.Text, StatusErrno: int(s.Errno),
	}
	if !s.ActiveEnter.IsZero() {
		t := s.ActiveEnter.UTC()
		r.ActiveSince = &t
	}
	return r
}

// explain says in one line why something is missing from the report.
func (r *report) explain(err error) string {
	switch {
	case r.Systemd != nil && r.Systemd.Load == "not-found":
		return "there is no such unit"
	case r.gone && r.Systemd != nil && r.Systemd.Active != "active" && r.Systemd.Active != "reloading":
		return "it does not run" + r.Systemd.why()
	case errors.Is(err, status.ErrAbsent):
		return "it shows no status: the name " + r.Name + " has no owner on the bus (package status; the log of the service may say why)"
	case errors.Is(err, status.ErrNoAnswer):
		return fmt.Sprintf("it does not answer within %v: it hangs, or is stopped", patience)
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// why is the end of a sentence on a service that does not run: its last message to
// systemd, and how its main process ended. It is "" if it was stopped.
func (s *systemdReport) why() string {
	if s.Result == "success" || s.Exit == "" {
		return ""
	}
	why := ""
	switch {
	case s.StatusText != "":
		why = ": " + s.StatusText
	case s.StatusErrno != 0:
		why = ": " + syscall.Errno(s.StatusErrno).Error()
	}
	return why + "; its main process " + s.Exit
}
