package units

import (
	"context"
	"errors"
	"fmt"

	systemd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"
)

// Job is something that systemd has been asked to do with a unit.
type Job struct {
	ID    uint32
	Unit  string
	Type  string // "start", "reload", …
	State string // "waiting", "running"
}

// JobError says that a job has ended otherwise than "done".
type JobError struct {
	Unit   string
	Type   string // "reload"
	Result string // "failed", "timeout", "canceled", "dependency", "skipped", …
	Status Status // of the unit afterwards; zero when it could not be had
}

func (e *JobError) Error() string {
	s := fmt.Sprintf("units: %s of %s: %s", e.Type, e.Unit, e.Result)
	if e.Status.Text != "" {
		s += fmt.Sprintf(" (the service says %q)", e.Status.Text)
	}
	return s + fmt.Sprintf("; see journalctl --unit=%s", e.Unit)
}

// Reload is `systemctl reload`: it returns once the job has ended. For a service
// of Type=notify-reload that is when it serves again, the next generation or,
// after an upgrade that failed, this one.
//
// A job that ends otherwise than well is a [*JobError]. When ctx is done before,
// the job goes on.
func (c *Conn) Reload(ctx context.Context, unit string) error {
	if err := checkUnitName(unit); err != nil {
		return c.failed("Reload", unit, err)
	}
	ended := make(chan string, 1) // go-systemd must never wait for us
	if _, err := c.systemd.ReloadUnitContext(ctx, unit, "replace", ended); err != nil {
		return c.failed("Reload", unit, err)
	}
	select {
	case result := <-ended:
		if result == "done" {
			return nil
		}
		status, _ := c.Query(ctx, unit) // for the message; the result is what counts
		return &JobError{Unit: unit, Type: "reload", Result: result, Status: status}
	case <-ctx.Done():
		return c.failed("Reload", unit, ctx.Err())
	case <-c.signals.Context().Done():
		return c.failed("Reload", unit, errors.New("the bus went away before the job ended"))
	}
}

// Jobs are all jobs that systemd has, queued or running.
func (c *Conn) Jobs(ctx context.Context) ([]Job, error) {
	all, err := c.systemd.ListJobsContext(ctx)
	if err != nil {
		return nil, c.failed("Jobs", "", err)
	}
	jobs := make([]Job, 0, len(all))
	for _, j := range all {
		jobs = append(jobs, jobOf(j))
	}
	return jobs, nil
}

func jobOf(j systemd.JobStatus) Job {
	return Job{ID: j.Id, Unit: j.Unit, Type: j.JobType, State: j.Status}
}

// job is the one of a unit that has these properties. One that has ended in the
// meantime is none.
func (c *Conn) job(ctx context.Context, p properties) (*Job, error) {
	id, path := p.jobOf()
	if id == 0 {
		return nil, nil
	}
	var all map[string]dbus.Variant
	err := c.bus.Object(busName, path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.GetAll", 0, busName+".Job").Store(&all)
	var gone dbus.Error
	if errors.As(err, &gone) && ctx.Err() == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	job := Job{ID: id, Unit: p.text("Id")}
	job.Type, _ = all["JobType"].Value().(string)
	job.State, _ = all["State"].Value().(string)
	return &job, nil
}
