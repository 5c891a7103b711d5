package soak

import "github.com/instar-project/instar/integration/proof"

// Report is the result.
type Report struct {
	Systemd   string         `json:"systemd"`
	Seed      uint64         `json:"seed"`
	Upgrades  int            `json:"upgrades"`
	Succeeded int            `json:"succeeded"`
	Refused   int            `json:"refused"` // as it should be: they were bad
	Bad       map[string]int `json:"bad"`     // by kind

	Requests int `json:"requests"`
	Failed   int `json:"failed"`
	// Of these, over HTTP/2.
	HTTP2Requests int `json:"http2_requests"`
	HTTP2Failed   int `json:"http2_failed"`

	Restarts int `json:"restarts"`

	Outlived int `json:"outlived"` // processes that were no longer needed and did not end in time

	LeakedDescriptors int `json:"leaked_descriptors"`      // of the main process
	LeakedPID1        int `json:"leaked_pid1_descriptors"` // of PID 1
	LeakedProcesses   int `json:"leaked_processes"`
	Zombies           int `json:"zombies"`
	LeakedThreads     int `json:"leaked_threads"`

	// Memory in KiB: medians over the first and the last upgrades.
	PID1First     int     `json:"pid1_kib_first"`
	PID1Last      int     `json:"pid1_kib_last"`
	PID1Growth    float64 `json:"pid1_growth"`
	ServiceFirst  int     `json:"service_kib_first"`
	ServiceLast   int     `json:"service_kib_last"`
	ServiceGrowth float64 `json:"service_growth"`

	Seconds  float64     `json:"seconds"`
	Problems proof.Lines `json:"problems"`
}

// mostGrowth is how much memory may grow from the first upgrades to the last.
const mostGrowth = 1.1

// judge adds the problems.
func (r *Report) judge() {
	expect := r.Problems.Expect
	expect(r.Failed == 0 && r.Requests > 0, "%d of %d requests failed", r.Failed, r.Requests)
	expect(r.HTTP2Requests > 0, "no requests were made over HTTP/2")
	expect(r.Restarts == 0, "systemd has restarted the service %d times", r.Restarts)
	expect(r.Outlived == 0, "%d processes of old generations did not end in time", r.Outlived)
	expect(r.LeakedDescriptors == 0, "%d descriptors are left in the main process", r.LeakedDescriptors)
	expect(r.LeakedPID1 == 0, "%d descriptors are left in PID 1", r.LeakedPID1)
	expect(r.LeakedProcesses == 0, "%d processes are left", r.LeakedProcesses)
	expect(r.Zombies == 0, "%d zombies are left", r.Zombies)
	expect(r.LeakedThreads == 0, "%d threads are left", r.LeakedThreads)
	expect(r.PID1Growth <= mostGrowth, "the memory of PID 1 grows by a factor of %.3f", r.PID1Growth)
	expect(r.ServiceGrowth <= mostGrowth, "the memory of the service grows by a factor of %.3f", r.ServiceGrowth)
}
