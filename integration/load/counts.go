package load

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// maxFailures bounds Counts.Failures. The first failures tell the cause; a service
// that is down makes thousands.
const maxFailures = 20

// Counts are the counts of the clients. All numbers are since [Start].
type Counts struct {
	// Requests were begun and have ended, well or not; Failed of them have not
	// had a whole and valid answer.
	Requests, Failed int

	// HTTP2Requests and HTTP2Failed are those of them that were made over HTTP/2.
	HTTP2Requests, HTTP2Failed int

	// Connections were opened for them. A connection that could not be opened
	// is not among them, but its request has failed.
	Connections int

	// Slowest is the longest time from the beginning of a request for / (its
	// connect included, where it needed one) to the end of its answer.
	Slowest time.Duration

	// Streams were begun, StreamsOpen of them are open now, StreamsBroken of
	// them broke: by the connect, a missing, repeated or altered line, or an
	// end that was not their client's wish. StreamLines came back as they
	// should.
	Streams, StreamsOpen, StreamsBroken, StreamLines int

	// UDPQueries were sent or should have been, and have been answered or given
	// up. UDPLost of them had no answer in time, UDPStray datagrams answered
	// nothing that was waited for: too late, twice, or altered.
	UDPQueries, UDPLost, UDPStray int

	// Web and Echo say which generations have answered, ordered by their
	// number.
	Web, Echo []Generation

	// Failures are the first failures of every kind, at most 20, ordered by
	// time.
	Failures []Failure
}

// Lost reports whether anything a client asked for has not come back whole.
func (c Counts) Lost() bool { return c.Failed+c.StreamsBroken+c.UDPLost > 0 }

// A Generation counts the answers of one generation of a service.
type Generation struct {
	Number  int
	Build   string // X-Build of its first answer, "" for the echo service
	Answers int    // valid ones: responses, lines and datagrams

	// First and Last are when its first and last answers were complete, by the
	// clients' clock. They carry a monotonic reading.
	First, Last time.Time
}

// A Failure is one thing that went wrong, as its client saw it.
type Failure struct {
	At     time.Time
	Client string // "short", "keep-alive", "thinking", "http2", "stream", "query"
	Reason string // a sentence with the endpoint, the act and its result
}

// A tally holds the counts of one client. Only that client writes to it and
// only a snapshot reads it, so its lock is next to never contended.
type tally struct {
	client   string
	failures *failures // of all clients together

	mu     sync.Mutex
	counts Counts // Web, Echo and Failures unused
	web    map[int]*Generation
	echo   map[int]*Generation
}

func newTally(client string, f *failures) *tally {
	return &tally{client: client, failures: f, web: map[int]*Generation{}, echo: map[int]*Generation{}}
}

// count changes the counts.
func (t *tally) count(change func(*Counts)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.counts)
}

// fail changes the counts and keeps the reason.
func (t *tally) fail(reason error, change func(*Counts)) {
	t.failures.add(Failure{At: time.Now(), Client: t.client, Reason: reason.Error()})
	t.count(change)
}

// answered changes the counts and notes one answer of a generation in of, which
// is t.web or t.echo.
func (t *tally) answered(of map[int]*Generation, number int, build string, change func(*Counts)) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.counts)
	g := of[number]
	if g == nil {
		g = &Generation{Number: number, Build: build, First: now}
		of[number] = g
	}
	g.Answers++
	g.Last = now
}

// total adds up the tallies of all clients.
func total(tallies []*tally, f *failures) Counts {
	var sum Counts
	web, echo := map[int]*Generation{}, map[int]*Generation{}
	for _, t := range tallies {
		t.mu.Lock()
		c := &t.counts
		sum.Requests += c.Requests
		sum.Failed += c.Failed
		sum.HTTP2Requests += c.HTTP2Requests
		sum.HTTP2Failed += c.HTTP2Failed
		sum.Connections += c.Connections
		sum.Slowest = max(sum.Slowest, c.Slowest)
		sum.Streams += c.Streams
		sum.StreamsOpen += c.StreamsOpen
		sum.StreamsBroken += c.StreamsBroken
		sum.StreamLines += c.StreamLines
		sum.UDPQueries += c.UDPQueries
		sum.UDPLost += c.UDPLost
		sum.UDPStray += c.UDPStray
		merge(web, t.web)
		merge(echo, t.echo)
		t.mu.Unlock()
	}
	sum.Web, sum.Echo = ordered(web), ordered(echo)
	sum.Failures = f.list()
	return sum
}

// merge adds the generations of one client to those of others.
func merge(into, from map[int]*Generation) {
	for n, g := range from {
		all := into[n]
		if all == nil {
			first := *g
			into[n] = &first
			continue
		}
		all.Answers += g.Answers
		if g.First.Before(all.First) {
			all.First, all.Build = g.First, g.Build
		}
		all.Last = maxTime(all.Last, g.Last)
	}
}

func ordered(generations map[int]*Generation) []Generation {
	var list []Generation
	for _, n := range slices.Sorted(maps.Keys(generations)) {
		list = append(list, *generations[n])
	}
	return list
}

// failures keeps the first failures of all clients.
type failures struct {
	mu    sync.Mutex
	first []Failure
}

func (f *failures) add(one Failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.first) < maxFailures {
		f.first = append(f.first, one)
	}
}

func (f *failures) list() []Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.first)
}
