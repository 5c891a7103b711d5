package demo

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"charm.land/bubbles/v2/progress"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"golang.org/x/term"

	"github.com/instar-project/instar/integration/load"
)

const (
	ratesShown    = 2 // generations of a service: the one that serves and the one that drains
	upgradesShown = 6
	maxWidth      = 72   // of a bar
	fullRate      = 3000 // answers a second that fill a bar
)

var (
	bold    = lipgloss.NewStyle().Bold(true)
	faint   = lipgloss.NewStyle().Faint(true)
	good    = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	bad     = lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Bold(true)
	notable = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
)

// screen draws a state on a terminal of a given width. The number of lines is
// always the same, so that nothing jumps.
func screen(s state, now time.Time, width int) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(lipgloss.NewStyle().MaxWidth(width).Render(fmt.Sprintf(format, args...)))
		b.WriteByte('\n')
	}

	elapsed := now.Sub(s.Begun).Truncate(time.Second)
	line("%s  %s", bold.Render("Instar"), faint.Render(strings.Join(nonEmpty(s.Systemd, elapsed.String(), s.Doing), " · ")))
	bar := progress.New(
		progress.WithWidth(min(width, maxWidth)),
		progress.WithFillCharacters('█', '░'),
		progress.WithColors(lipgloss.Color("2")))
	line("%s", bar.ViewAs(s.progress()))
	line("")

	for _, at := range s.Services {
		phase := good.Render(at.phase())
		if at.phase() != "serving" {
			phase = notable.Render(at.phase())
		}
		line("%s generation %-3d build %-9s %s", bold.Render(fmt.Sprintf("%-5s", at.Name)), at.Generation, at.Build, phase)
		for i := range ratesShown {
			if i < len(at.Rates) {
				line("%s", rateBar(at.Rates[len(at.Rates)-1-i], width))
			} else {
				line("")
			}
		}
	}
	line("")

	line("%s", tally(s.Counts))
	line("")

	for i := range upgradesShown {
		at := max(0, len(s.Upgrades)-upgradesShown) + i
		switch {
		case at >= len(s.Upgrades):
			line("")
		case s.Upgrades[at].RolledBack:
			line("%s %s", notable.Render("↺"), s.Upgrades[at])
		default:
			line("%s %s", good.Render("✓"), s.Upgrades[at])
		}
	}
	return b.String()
}

// rateBar draws how many answers a second a generation gives. The bar grows
// with the root of the rate, so that a draining generation's few still show.
func rateBar(r rate, width int) string {
	room := max(0, min(width, maxWidth)-28)
	filled := int(math.Round(float64(room) * math.Sqrt(min(1, r.PerSecond/fullRate))))
	if r.PerSecond > 0 {
		filled = max(1, filled)
	}
	perSecond := thousands(int(math.Round(r.PerSecond)))
	return fmt.Sprintf("      generation %-3d %6s/s %s", r.Generation, perSecond, strings.Repeat("▇", filled))
}

// tally has the counts of the clients in one line. A count that should be zero and
// is not stands out.
func tally(c load.Counts) string {
	return fmt.Sprintf("requests %s, %s   streams %s, %s   queries %s, %s",
		thousands(c.Requests), zero(c.Failed, "failed"),
		thousands(c.Streams), zero(c.StreamsBroken, "broken"),
		thousands(c.UDPQueries), zero(c.UDPLost, "lost"))
}

// zero shows a number that should be 0.
func zero(n int, what string) string {
	style := good
	if n != 0 {
		style = bad
	}
	return style.Render(fmt.Sprintf("%d %s", n, what))
}

// losses is the same for a log.
func losses(c load.Counts) string {
	return fmt.Sprintf("%d requests, %d failed, %d streams broken, %d queries lost", c.Requests, c.Failed, c.StreamsBroken, c.UDPLost)
}

// thousands returns n with a comma between each three digits.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// ms returns a duration as milliseconds, as all that is shown here is some.
func ms(d time.Duration) string {
	return strconv.FormatFloat(milliseconds(d), 'f', -1, 64) + " ms"
}

// milliseconds returns a duration in milliseconds, to a tenth.
func milliseconds(d time.Duration) float64 {
	return math.Round(float64(d)/float64(100*time.Microsecond)) / 10
}

func nonEmpty(list ...string) []string {
	var kept []string
	for _, s := range list {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}

// show shows a board on standard error until the function it returns is called:
// live on a terminal, as one line for each event elsewhere. It calls interrupt
// when Ctrl-C is pressed, which the live view's terminal makes no signal of.
func show(b *board, interrupt func()) (hide func()) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		b.log = os.Stderr
		return func() {}
	}
	options := []tea.ProgramOption{tea.WithOutput(os.Stderr), tea.WithoutSignalHandler()}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		options = append(options, tea.WithInput(nil))
	}
	program := tea.NewProgram(model{board: b, interrupt: interrupt, width: 80}, options...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := program.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "demo: the live view failed, the story goes on:", err)
		}
	}()
	return func() {
		program.Send(over{})
		<-done
	}
}

// A model draws a board ten times a second, until the story is over.
type model struct {
	board     *board
	interrupt func() // the story, which then still has a report
	width     int
}

// over tells the model that the last frame is to be drawn.
type over struct{}

type tick struct{}

func (m model) Init() tea.Cmd { return next() }

func next() tea.Cmd { return tea.Tick(100*time.Millisecond, func(time.Time) tea.Msg { return tick{} }) }

func (m model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch message := message.(type) {
	case tea.WindowSizeMsg:
		m.width = message.Width
	case tea.KeyPressMsg:
		if message.String() == "ctrl+c" {
			m.interrupt()
		}
	case tick:
		return m, next()
	case over:
		return m, tea.Quit
	}
	return m, nil
}

func (m model) View() tea.View { return tea.NewView(screen(m.board.look(), time.Now(), m.width)) }
