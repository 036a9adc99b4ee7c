// Package bench measures what XMPP servers cost: the embedded broker, Prosody, ejabberd, or any other, all with the same clients
// in the same run. What counts is the ratio: machines differ, and are shared.
//
// A round takes each measurement of each server, one after the other; servers are processes of their own, started anew
// for each round. Figures are medians over the rounds. docs/performance.md describes the method.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Options say what is compared, and how long it takes. Every field's zero value is its default.
type Options struct {
	// Against are other servers: "prosody" and "ejabberd" are started if their Debian packages are installed.
	Against  []string
	Others   []Other       // that run already
	Rounds   int           // default 5
	Duration time.Duration // of each load; default 5 s
	Idle     int           // sessions that are open when memory is measured; default 1,000; negative: that is not measured
	IdleWait time.Duration // how long they are idle before it; default 30 s
	// Self is the program that runs the embedded broker as `Self broker --site DIR`; "" leaves it out.
	Self string
	Tell func(text string) // what is going on; may be nil
}

// A Measure is something that is measured.
type Measure struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	// More says that more is better.
	More bool `json:"more_is_better"`
}

// The measures, in the order in which they are shown.
var (
	RateSmall   = Measure{"600 octets: routed", "stanzas/s", true}
	CPUSmall    = Measure{"600 octets: routed per second of CPU", "stanzas", true}
	RateLarge   = Measure{"8 kB: routed", "stanzas/s", true}
	CPULarge    = Measure{"8 kB: routed per second of CPU", "stanzas", true}
	TripSmall   = Measure{"600 octets: round trip of an iq, p50", "µs", false}
	TripLarge   = Measure{"8 kB: round trip of an iq, p50", "µs", false}
	TripHuge    = Measure{"60 kB: round trip of an iq, p50", "µs", false}
	HalfLoad    = Measure{"600 octets: p99 at half load", "µs", false}
	HalfLoadP50 = Measure{"600 octets: p50 at half load", "µs", false}
	SetUp       = Measure{"session set-up, p50", "µs", false}
	SetUpCPU    = Measure{"sessions set up per second of CPU", "sessions", true}
	Memory      = Measure{"memory of an idle session", "kB", false}
)

// Measures are all of them.
var Measures = []Measure{RateSmall, CPUSmall, RateLarge, CPULarge, TripSmall, TripLarge, TripHuge, HalfLoad, HalfLoadP50, SetUp, SetUpCPU, Memory}

// A Figure is what the rounds have given for one measure of one server.
type Figure struct {
	Server  string  `json:"server"`
	Measure Measure `json:"measure"`
	Median  float64 `json:"median"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	Rounds  int     `json:"rounds"`
}

// Report is what a run has found.
type Report struct {
	Servers []string
	Figures []Figure
	// HalfLoad is the rate of the load of that name, in stanzas a second, of the last round.
	HalfLoad float64
}

// figure returns the figure of a server, if there is one.
func (r *Report) figure(server string, m Measure) (Figure, bool) {
	i := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Server == server && f.Measure == m })
	if i < 0 {
		return Figure{}, false
	}
	return r.Figures[i], true
}

// Ratio compares the first server with the best of the others; ok is false where there is nothing to compare.
func (r *Report) Ratio(m Measure) (ratio float64, ok bool) {
	var own, best float64
	for i, name := range r.Servers {
		f, measured := r.figure(name, m)
		switch {
		case !measured || f.Median == 0:
		case i == 0:
			own = f.Median
		case best == 0, m.More && f.Median > best, !m.More && f.Median < best:
			best = f.Median
		}
	}
	return own / best, own > 0 && best > 0
}

// Run measures until it is done or ctx ends. What it has started, it stops.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.Rounds, o.Duration = cmp.Or(o.Rounds, 5), cmp.Or(o.Duration, 5*time.Second)
	o.Idle, o.IdleWait = cmp.Or(o.Idle, 1000), cmp.Or(o.IdleWait, 30*time.Second)
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	r := &run{Options: o, samples: map[sample][]float64{}}
	ground, err := newGround(o)
	if err != nil {
		return nil, err
	}
	defer ground.close()
	for i := range o.Rounds {
		o.Tell(fmt.Sprintf("round %d of %d", i+1, o.Rounds))
		if err := r.round(ctx, ground); err != nil {
			return nil, err
		}
	}
	return r.report(), nil
}

// sample names what is measured of a server.
type sample struct {
	server  string
	measure Measure
}

// run is a run under way.
type run struct {
	Options
	names    []string
	samples  map[sample][]float64
	halfLoad float64
}

func (r *run) add(server string, m Measure, v float64) {
	k := sample{server, m}
	r.samples[k] = append(r.samples[k], v)
}

// round takes each measurement once.
func (r *run) round(ctx context.Context, g *ground) (err error) {
	servers, err := g.start()
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	if err != nil {
		return err
	}
	r.names = r.names[:0]
	for _, s := range servers {
		r.names = append(r.names, s.name)
	}
	if r.Idle > 0 {
		if err := r.memory(ctx, servers); err != nil {
			return err
		}
	}
	lowest := 0.0
	for _, s := range servers {
		rate, err := r.loads(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if lowest == 0 || rate < lowest {
			lowest = rate
		}
	}
	// The same for all: half of what the slowest could bear.
	r.halfLoad = lowest / 2
	for _, s := range servers {
		r.Tell(fmt.Sprintf("  %-9s half load, %.0f stanzas a second", s.name, r.halfLoad))
		times, err := s.steady(ctx, r.halfLoad, r.Duration)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r.add(s.name, HalfLoad, micros(quantile(times, 0.99)))
		r.add(s.name, HalfLoadP50, micros(quantile(times, 0.5)))
	}
	return nil
}

// loads puts the loads on a server that do not depend on the others, and returns the highest rate of small stanzas.
func (r *run) loads(ctx context.Context, s *server) (rate float64, err error) {
	r.Tell(fmt.Sprintf("  %-9s session set-up", s.name))
	logins, err := s.setUp(ctx)
	if err != nil {
		return 0, err
	}
	r.add(s.name, SetUp, micros(logins.p50))
	if logins.cpu > 0 {
		r.add(s.name, SetUpCPU, float64(logins.n)/logins.cpu.Seconds())
	}
	for _, size := range []struct {
		octets          int
		rate, cpu, trip Measure
	}{{600, RateSmall, CPUSmall, TripSmall}, {8000, RateLarge, CPULarge, TripLarge}, {octets: 60000, trip: TripHuge}} {
		r.Tell(fmt.Sprintf("  %-9s %d octets", s.name, size.octets))
		t, err := s.trip(ctx, size.octets, r.Duration/2)
		if err != nil {
			return 0, err
		}
		r.add(s.name, size.trip, micros(t))
		if size.rate == (Measure{}) {
			continue
		}
		l, err := s.flood(ctx, size.octets, r.Duration)
		if err != nil {
			return 0, err
		}
		r.add(s.name, size.rate, l.rate())
		if l.cpu > 0 {
			r.add(s.name, size.cpu, float64(l.stanzas)/l.cpu.Seconds())
		}
		if rate == 0 {
			rate = l.rate()
		}
	}
	return rate, nil
}

// memory opens sessions at all servers, and sees what they take once they have been idle for a while.
func (r *run) memory(ctx context.Context, servers []*server) (err error) {
	var open []func()
	defer func() {
		for _, end := range open {
			end()
		}
	}()
	before := make([]int, len(servers))
	for i, s := range servers {
		if s.pid == 0 || s.most < r.Idle {
			continue
		}
		r.Tell(fmt.Sprintf("  %-9s %d idle sessions", s.name, r.Idle))
		if before[i], err = residentKB(s.pid); err != nil {
			return err
		}
		end, err := s.idle(ctx, r.Idle)
		open = append(open, end)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if len(open) == 0 {
		return nil
	}
	if err := sleep(ctx, r.IdleWait); err != nil {
		return err
	}
	for i, s := range servers {
		if before[i] == 0 {
			continue
		}
		after, err := residentKB(s.pid)
		if err != nil {
			return err
		}
		r.add(s.name, Memory, float64(after-before[i])/float64(r.Idle))
	}
	return nil
}

// report puts the samples together.
func (r *run) report() *Report {
	out := &Report{Servers: r.names, HalfLoad: r.halfLoad}
	for _, m := range Measures {
		for _, name := range r.names {
			values := slices.Sorted(slices.Values(r.samples[sample{name, m}]))
			if len(values) == 0 {
				continue
			}
			out.Figures = append(out.Figures, Figure{Server: name, Measure: m, Median: values[len(values)/2], Low: values[0], High: values[len(values)-1], Rounds: len(values)})
		}
	}
	return out
}

// String is the report as a table: a line for each measure, the spread behind each median, and how the first server compares
// with the best of the others.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-40s", "")
	for _, name := range r.Servers {
		fmt.Fprintf(&b, "  %22s", name)
	}
	if len(r.Servers) > 1 {
		fmt.Fprintf(&b, "  %10s", "ratio")
	}
	for _, m := range Measures {
		if !slices.ContainsFunc(r.Figures, func(f Figure) bool { return f.Measure == m }) {
			continue
		}
		fmt.Fprintf(&b, "\n%-40s", m.Name+", "+m.Unit)
		for _, name := range r.Servers {
			text := "-"
			if f, ok := r.figure(name, m); ok {
				text = fmt.Sprintf("%s (%s–%s)", short(f.Median), short(f.Low), short(f.High))
			}
			fmt.Fprintf(&b, "  %22s", text)
		}
		if ratio, ok := r.Ratio(m); ok {
			fmt.Fprintf(&b, "  %10s", fmt.Sprintf("%.2f ×", ratio))
		}
	}
	if r.HalfLoad > 0 {
		fmt.Fprintf(&b, "\nHalf load is %.0f stanzas a second, half of the lowest maximum. The ratio is that of %s to the best of the others.", r.HalfLoad, r.Servers[0])
	}
	return b.String()
}

// short is a figure of about three digits.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// quantile is the part p of times, which it sorts.
func quantile(times []time.Duration, p float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)-1, int(p*float64(len(times))))]
}

// errNothing says that a load has had no answer.
var errNothing = errors.New("nothing was answered")

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
