package schedule

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) // a Sunday

// told is a status in a line, with times after noon.
func told(s Status) string {
	text := [...]string{"", "not ready", "start time required", "ready", "running"}[s.State]
	if s.Entry > 0 {
		text += fmt.Sprintf(" entry %d since %s", s.Entry, s.Started.Sub(noon))
	}
	if !s.Next.IsZero() {
		text += fmt.Sprintf(" next %s", s.Next.Sub(noon))
	}
	if s.Fault != NoFault {
		text += fmt.Sprintf(" fault %d", s.Fault)
	}
	return text
}

func three(starts ...Start) Settings {
	return Settings{Entries: 3, Values: 4, Interval: time.Minute, Starts: starts}
}

func at(d time.Duration) Start { return Start{At: noon.Add(d)} }

func TestSchedulesInTheCourseOfTime(t *testing.T) {
	daily := Start{Calendar: Calendar{Occ: 1, Period: Daily, Hour: 12, Minute: 10}}
	event := three()
	event.Event = true
	again := three(at(time.Minute))
	again.Reuse = true
	type step struct {
		at   time.Duration
		do   func(m *Machine, now time.Time)
		want string
	}
	enable := func(m *Machine, now time.Time) { m.Enable(now) }
	disable := func(m *Machine, now time.Time) { m.Disable(now) }
	trigger := func(m *Machine, now time.Time) { m.Trigger(now) }
	configure := func(s Settings) func(*Machine, time.Time) {
		return func(m *Machine, now time.Time) { m.Configure(now, s) }
	}
	tick := func(m *Machine, now time.Time) { m.Tick(now) }
	for name, tc := range map[string]struct {
		settings Settings
		steps    []step
	}{
		"once": {three(at(time.Minute)), []step{
			{0, tick, "not ready"}, {0, enable, "ready next 1m0s"}, {59 * time.Second, tick, "ready next 1m0s"}, {time.Minute, tick, "running entry 1 since 1m0s"},
			{2 * time.Minute, tick, "running entry 2 since 1m0s"}, {3*time.Minute + 59*time.Second, tick, "running entry 3 since 1m0s"}, {4 * time.Minute, tick, "not ready"}}},
		"once, and stays enabled": {again, []step{{0, enable, "ready next 1m0s"}, {time.Minute, tick, "running entry 1 since 1m0s"}, {4 * time.Minute, tick, "start time required"},
			{5 * time.Minute, configure(three(at(6 * time.Minute))), "ready next 6m0s"}, {6 * time.Minute, tick, "running entry 1 since 6m0s"}}},
		"twice":                               {three(at(time.Minute), at(10*time.Minute)), []step{{0, enable, "ready next 1m0s"}, {time.Minute, tick, "running entry 1 since 1m0s next 10m0s"}, {4 * time.Minute, tick, "ready next 10m0s"}}},
		"one right after the other":           {three(at(time.Minute), at(4*time.Minute)), []step{{0, enable, "ready next 1m0s"}, {time.Minute, tick, "running entry 1 since 1m0s next 4m0s"}, {4 * time.Minute, tick, "running entry 1 since 4m0s"}}},
		"a start within a run is passed over": {three(at(time.Minute), at(2*time.Minute)), []step{{0, enable, "ready next 1m0s"}, {3 * time.Minute, tick, "running entry 3 since 1m0s"}, {4 * time.Minute, tick, "not ready"}}},
		"every day":                           {three(daily), []step{{0, enable, "ready next 10m0s"}, {10 * time.Minute, tick, "running entry 1 since 10m0s next 24h10m0s"}, {13 * time.Minute, tick, "ready next 24h10m0s"}}},
		"by an event":                         {event, []step{{0, trigger, "not ready"}, {0, enable, "ready"}, {time.Minute, tick, "ready"}, {2 * time.Minute, trigger, "running entry 1 since 2m0s"}, {3 * time.Minute, trigger, "running entry 2 since 2m0s"}, {5 * time.Minute, tick, "not ready"}}},
		"an event is not for all":             {three(at(time.Minute)), []step{{0, enable, "ready next 1m0s"}, {0, trigger, "ready next 1m0s"}}},
		"disabled while it runs":              {three(at(0)), []step{{0, enable, "running entry 1 since 0s"}, {time.Minute, disable, "not ready"}, {2 * time.Minute, tick, "not ready"}}},
		"disabled while ready":                {three(at(time.Minute)), []step{{0, enable, "ready next 1m0s"}, {0, disable, "not ready"}, {time.Minute, tick, "not ready"}}},
		"enabled while it runs":               {three(at(0)), []step{{0, enable, "running entry 1 since 0s"}, {time.Minute, enable, "running entry 2 since 0s"}}},
		"no entries":                          {Settings{Values: 4, Interval: 1, Starts: []Start{at(1)}}, []step{{0, enable, "not ready fault 2"}, {0, disable, "not ready"}}},
		"more entries than values":            {Settings{Entries: 5, Values: 4, Interval: 1, Starts: []Start{at(1)}}, []step{{0, enable, "not ready fault 2"}}},
		"no interval":                         {Settings{Entries: 4, Values: 4, Starts: []Start{at(1)}}, []step{{0, enable, "not ready fault 3"}}},
		"no start":                            {three(), []step{{0, enable, "not ready fault 6"}}},
		"a start in the past":                 {three(at(-time.Second)), []step{{0, enable, "not ready fault 6"}, {0, configure(three(at(time.Minute))), "not ready fault 6"}, {0, enable, "ready next 1m0s"}}},
		"a setting that becomes wrong":        {three(at(time.Minute)), []step{{0, enable, "ready next 1m0s"}, {0, configure(Settings{Entries: 9, Values: 4, Interval: 1}), "not ready fault 2"}}},
		"a start that is taken away":          {three(at(time.Minute)), []step{{0, enable, "ready next 1m0s"}, {0, configure(three()), "start time required"}, {time.Minute, tick, "start time required"}}},
		"a setting that changes in a run": {three(at(0)), []step{{0, enable, "running entry 1 since 0s"}, {0, configure(Settings{Entries: 1, Values: 4, Interval: time.Hour}), "running entry 1 since 0s"},
			{2 * time.Minute, tick, "running entry 3 since 0s"}, {3 * time.Minute, tick, "not ready"}}},
		"asleep over a whole run": {three(at(time.Minute), daily), []step{{0, enable, "ready next 1m0s"}, {8 * time.Minute, tick, "ready next 10m0s"}}},
		"asleep over days":        {three(daily), []step{{0, enable, "ready next 10m0s"}, {48*time.Hour + 11*time.Minute, tick, "ready next 72h10m0s"}}},
		"the clock is set back":   {three(at(time.Minute)), []step{{0, enable, "ready next 1m0s"}, {2 * time.Minute, tick, "running entry 2 since 1m0s"}, {0, tick, "running entry 1 since 1m0s"}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &Machine{}
			m.Configure(noon, tc.settings)
			for i, s := range tc.steps {
				s.do(m, noon.Add(s.at))
				if got := told(m.Status()); got != s.want {
					t.Errorf("step %d: got %s, want %s", i, got, s.want)
				}
			}
		})
	}
}

func TestScheduleGoesOnAfterARestart(t *testing.T) {
	for _, tc := range []struct {
		name     string
		before   time.Duration // noon is when it was enabled, and it starts a minute later
		disabled bool
		after    time.Duration
		want     string
	}{
		{"before its start", 0, false, 30 * time.Second, "ready next 1m0s"},
		{"over its start", 0, false, 90 * time.Second, "start time required"},
		{"within its run", 90 * time.Second, false, 3 * time.Minute, "running entry 3 since 1m0s"},
		{"over its end", 90 * time.Second, false, 5 * time.Minute, "not ready"},
		{"disabled", 90 * time.Second, true, 2 * time.Minute, "not ready"},
	} {
		m := &Machine{}
		m.Configure(noon, three(at(time.Minute)))
		m.Enable(noon)
		m.Tick(noon.Add(tc.before))
		if tc.disabled {
			m.Disable(noon.Add(tc.before))
		}
		kept := m.Keep()
		m = &Machine{}
		m.Restore(kept)
		m.Configure(noon.Add(tc.after), three(at(time.Minute)))
		if got := told(m.Status()); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
	m := &Machine{}
	m.Restore(Kept{Enabled: true, Started: noon, Entries: 1 << 40, Interval: time.Hour})
	m.Configure(noon, three())
	if got := told(m.Status()); got != "start time required" {
		t.Errorf("a run that cannot have been: %s", got)
	}
}

func TestCalendarTimes(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		berlin = time.FixedZone("CET", 3600)
	}
	for _, tc := range []struct {
		name string
		c    Calendar
		from time.Time
		want string // "" for never
	}{
		{"none", Calendar{}, noon, ""},
		{"hourly", Calendar{Period: Hourly, Minute: 30}, noon, "2026-11-22T12:30:00Z"},
		{"hourly, now", Calendar{Period: Hourly, Minute: 0, Occ: 1}, noon, "2026-11-22T12:00:00Z"},
		{"hourly, over", Calendar{Period: Hourly, Minute: 30}, noon.Add(31 * time.Minute), "2026-11-22T13:30:00Z"},
		{"daily", Calendar{Period: Daily, Hour: 11}, noon, "2026-11-23T11:00:00Z"},
		{"daily, now", Calendar{Period: Daily, Hour: 12}, noon, "2026-11-22T12:00:00Z"},
		{"weekly, Monday", Calendar{Period: Weekly, Weekday: 1, Hour: 6}, noon, "2026-11-23T06:00:00Z"},
		{"weekly, Sunday", Calendar{Period: Weekly, Weekday: 7, Hour: 6}, noon, "2026-11-29T06:00:00Z"},
		{"monthly", Calendar{Period: Monthly, Type: ByDayOfMonth, Day: 31}, noon, "2026-12-31T00:00:00Z"},
		{"the second Tuesday", Calendar{Period: Monthly, Type: ByWeekday, Occ: 2, Weekday: 2}, noon, "2026-12-08T00:00:00Z"},
		{"yearly", Calendar{Period: Yearly, Month: 2, Day: 29}, noon, "2028-02-29T00:00:00Z"},
		{"the first Monday of May", Calendar{Period: Yearly, Type: ByWeekday, Occ: 1, Weekday: 1, Month: 5}, noon, "2027-05-03T00:00:00Z"},
		{"day 366", Calendar{Period: Yearly, Type: ByDayOfYear, Occ: 366}, noon, "2028-12-31T00:00:00Z"},
		{"Monday of week 1", Calendar{Period: Yearly, Type: ByWeekOfYear, Occ: 1, Weekday: 1}, noon, "2027-01-04T00:00:00Z"},
		{"30 February", Calendar{Period: Yearly, Month: 2, Day: 30}, noon, ""},
		{"no weekday", Calendar{Period: Weekly}, noon, ""},
		{"no hour", Calendar{Period: Daily, Hour: 24}, noon, ""},
		{"no minute", Calendar{Period: Hourly, Minute: 60}, noon, ""},
		{"no period", Calendar{Period: 9}, noon, ""},
		{"in a zone", Calendar{Period: Daily, Hour: 13}, noon.In(berlin), "2026-11-22T13:00:00+01:00"},
	} {
		got, ok := tc.c.Next(tc.from)
		text := ""
		if ok {
			text = got.Format(time.RFC3339)
		}
		if text != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, text, tc.want)
		}
	}
}

func TestTheHighestPriorityRuns(t *testing.T) {
	c := func(priority int, started time.Duration) Candidate { return Candidate{priority, noon.Add(started)} }
	for _, tc := range []struct {
		running []Candidate
		want    int
	}{{nil, -1}, {[]Candidate{c(0, 0)}, 0}, {[]Candidate{c(5, 0), c(10, 0), c(7, 9)}, 1}, {[]Candidate{c(5, 1), c(5, 3), c(5, 2)}, 1}, {[]Candidate{c(5, 1), c(5, 1)}, 0}} {
		if got := Choose(tc.running); got != tc.want {
			t.Errorf("%v: got %d, want %d", tc.running, got, tc.want)
		}
	}
}

// Whatever happens: a schedule that runs has an entry, what Tick waits for is to come, and time alone brings no schedule to life.
func TestSchedulesKeepTheirWord(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		m, now := &Machine{}, noon
		var did []string
		for range 60 {
			what := r.IntN(6)
			enabled := m.enabled
			switch what {
			case 0:
				s := Settings{Entries: r.IntN(4), Values: 3, Interval: time.Duration(r.IntN(4)) * time.Minute, Event: r.IntN(2) == 0, Reuse: r.IntN(2) == 0}
				for range r.IntN(3) {
					s.Starts = append(s.Starts, Start{At: noon.Add(time.Duration(r.IntN(3000)) * time.Second)}, Start{Calendar: Calendar{Period: Hourly, Minute: r.IntN(60)}})
				}
				m.Configure(now, s)
			case 1:
				m.Enable(now)
			case 2:
				m.Trigger(now)
			case 3:
				if r.IntN(5) == 0 {
					m.Disable(now)
				}
			default:
				now = now.Add(time.Duration(r.IntN(400)) * time.Second)
				if next := m.Next(); !next.IsZero() && r.IntN(2) == 0 {
					now = next
				}
				m.Tick(now)
			}
			did = append(did, fmt.Sprint(what, " ", now.Sub(noon), " ", told(m.Status())))
			s, next := m.Status(), m.Next()
			switch {
			case s.State == Running && (s.Entry < 1 || s.Entry > 3 || !now.Before(m.end()) || next.IsZero() || !next.After(now)):
			case s.State != Running && s.Entry != 0:
			case s.State == Ready && !next.IsZero() && !next.After(now):
			case what != 1 && !enabled && s.State != NotReady:
			default:
				continue
			}
			t.Fatalf("seed %d: next %s\n%s", seed, next.Sub(noon), strings.Join(did, "\n"))
		}
	}
}
