package setting

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"busbar.example/acsi"
	"busbar.example/value"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func ints(of ...int64) []value.Value {
	values := make([]value.Value, len(of))
	for i, n := range of {
		values[i] = value.Int(n)
	}
	return values
}

// threeGroups are of two values, of which the second is 0.
func threeGroups(t testing.TB) *Control {
	t.Helper()
	c, err := New(Config{Groups: [][]value.Value{ints(10, 0), ints(20, 0), ints(30, 0)}, Active: 1, Since: acsi.Timestamp{Time: start}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func first(values []value.Value) int64 {
	n, _ := values[0].Int()
	return n
}

func code(err error) string {
	e, ok := errors.AsType[*acsi.Error](err)
	if !ok {
		return fmt.Sprint(err)
	}
	return e.Code.String()
}

func TestEditingGoesItsWay(t *testing.T) {
	const refused, invalid = "temporarily-unavailable", "object-value-invalid"
	edit := func(client string, group int) func(*Control, time.Time) error {
		return func(c *Control, now time.Time) error { return c.Edit(client, group, now) }
	}
	set := func(client string, n int64) func(*Control, time.Time) error {
		return func(c *Control, now time.Time) error { return c.Set(client, 0, ints(n), now) }
	}
	confirm := func(client string) func(*Control, time.Time) error {
		return func(c *Control, now time.Time) error { _, err := c.Confirm(client, now); return err }
	}
	activate := func(group int) func(*Control, time.Time) error {
		return func(c *Control, now time.Time) error { return c.Activate(group, acsi.Timestamp{Time: now}) }
	}
	gone := func(client string) func(*Control, time.Time) error {
		return func(c *Control, _ time.Time) error { c.Gone(client); return nil }
	}
	type step struct {
		after time.Duration
		do    func(*Control, time.Time) error
		want  string // "" or the code of the error
		state string // active, edited group, seconds, first value: active/edited/of group 2
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"confirmed values are those of the group, and the active ones only once it is active", []step{
			{0, edit("a", 2), "", "1 2 60 10/20/20"},
			{0, set("a", 21), "", "1 2 60 10/21/20"},
			{0, confirm("a"), "", "1 0 0 10/10/21"},
			{0, activate(2), "", "2 0 0 21/21/21"},
		}},
		{"the active group is edited", []step{
			{0, edit("a", 1), "", "1 1 60 10/10/20"},
			{0, set("a", 11), "", "1 1 60 10/11/20"},
			{0, confirm("a"), "", "1 0 0 11/11/20"},
		}},
		{"a group that does not exist", []step{
			{0, edit("a", 4), invalid, "1 0 0 10/10/20"},
			{0, edit("a", -1), invalid, "1 0 0 10/10/20"},
			{0, activate(0), invalid, "1 0 0 10/10/20"},
			{0, activate(4), invalid, "1 0 0 10/10/20"},
		}},
		{"nothing is being edited", []step{
			{0, set("a", 11), refused, "1 0 0 10/10/20"},
			{0, confirm("a"), refused, "1 0 0 10/10/20"},
			{0, edit("a", 0), "", "1 0 0 10/10/20"},
		}},
		{"a second client", []step{
			{0, edit("a", 2), "", "1 2 60 10/20/20"},
			{0, edit("b", 2), refused, "1 2 60 10/20/20"},
			{0, edit("b", 3), refused, "1 2 60 10/20/20"},
			{0, edit("b", 0), refused, "1 2 60 10/20/20"},
			{0, set("b", 22), refused, "1 2 60 10/20/20"},
			{0, confirm("b"), refused, "1 2 60 10/20/20"},
			{0, gone("b"), "", "1 2 60 10/20/20"},
			{0, activate(3), "", "3 2 60 30/20/20"},
		}},
		{"the client gives up", []step{
			{0, edit("a", 2), "", "1 2 60 10/20/20"},
			{0, set("a", 21), "", "1 2 60 10/21/20"},
			{0, edit("a", 0), "", "1 0 0 10/10/20"},
			{0, edit("b", 2), "", "1 2 60 10/20/20"},
		}},
		{"the client turns to another group, or begins again", []step{
			{0, edit("a", 2), "", "1 2 60 10/20/20"},
			{0, set("a", 21), "", "1 2 60 10/21/20"},
			{0, edit("a", 2), "", "1 2 60 10/20/20"},
			{0, edit("a", 3), "", "1 3 60 10/30/20"},
		}},
		{"the association ends", []step{
			{0, edit("a", 2), "", "1 2 60 10/20/20"},
			{0, set("a", 21), "", "1 2 60 10/21/20"},
			{0, gone("a"), "", "1 0 0 10/10/20"},
			{0, edit("b", 2), "", "1 2 60 10/20/20"},
		}},
		{"the reservation counts down and is renewed", []step{
			{0, edit("a", 2), "", "1 2 60 10/20/20"},
			{time.Millisecond, gone(""), "", "1 2 60 10/20/20"},
			{time.Second, gone(""), "", "1 2 59 10/20/20"},
			{58 * time.Second, set("a", 21), "", "1 2 60 10/21/20"},
			{59 * time.Second, gone(""), "", "1 2 1 10/21/20"},
			{time.Second, set("a", 22), refused, "1 0 0 10/10/20"},
		}},
		{"a reservation that has run out is another's", []step{
			{0, edit("a", 2), "", "1 2 60 10/20/20"},
			{60 * time.Second, edit("b", 2), "", "1 2 60 10/20/20"},
			{0, confirm("a"), refused, "1 2 60 10/20/20"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, now := threeGroups(t), start
			for i, s := range test.steps {
				now = now.Add(s.after)
				got := ""
				if err := s.do(c, now); err != nil {
					got = code(err)
				}
				c.Tick(now)
				active, _ := c.Active()
				state := fmt.Sprintf("%d %d %d %d/%d/%d", active, c.Editing(), c.Reserved(now), first(c.Values(active)), first(c.Edited()), first(c.Values(2)))
				if got != s.want || state != s.state {
					t.Fatalf("step %d: got %q and %q, want %q and %q", i, got, state, s.want, s.state)
				}
			}
		})
	}
}

func TestActivationIsDated(t *testing.T) {
	c := threeGroups(t)
	if _, since := c.Active(); !since.Time.Equal(start) {
		t.Errorf("at start: %v, want %v", since, start)
	}
	later := acsi.Timestamp{Time: start.Add(time.Hour), Quality: acsi.ClockNotSynchronized}
	if err := c.Activate(2, later); err != nil {
		t.Fatal(err)
	}
	if _, since := c.Active(); since != later {
		t.Errorf("then: %v, want %v", since, later)
	}
}

func TestNextIsWhenTheCountIsAnother(t *testing.T) {
	c := threeGroups(t)
	if got := c.Next(start); !got.IsZero() {
		t.Errorf("nobody edits: got %v, want the zero time", got)
	}
	if err := c.Edit("a", 1, start); err != nil {
		t.Fatal(err)
	}
	ticks, expired := 0, false
	for now := start; !expired; ticks++ {
		before := c.Reserved(now)
		next := c.Next(now)
		if !next.After(now) || c.Reserved(next.Add(-1)) != before || c.Reserved(next) != before-1 {
			t.Fatalf("at %v: next %v, from %d to %d", now, next, before, c.Reserved(next))
		}
		now = next
		expired = c.Tick(now)
	}
	if ticks != 60 {
		t.Errorf("got %d ticks, want 60", ticks)
	}
}

func TestWhatIsGivenIsNotChanged(t *testing.T) {
	given := [][]value.Value{ints(1), ints(2)}
	c, err := New(Config{Groups: given, Active: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{c.Edit(t, 1, start), c.Set(t, 0, ints(9), start)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if _, err := c.Confirm(t, start); err != nil {
		t.Fatal(err)
	}
	c.Put(1, 0, value.Int(8))
	if diff := cmp.Diff([][]value.Value{ints(1), ints(2)}, given); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := c.Values(1)[0]; !got.Equal(value.Int(8)) {
		t.Errorf("got %v, want 8", got)
	}
}

func TestWrongConfigurationIsRefused(t *testing.T) {
	one := [][]value.Value{ints(1)}
	for name, cfg := range map[string]Config{
		"no group":            {Active: 1},
		"256 groups":          {Groups: make([][]value.Value, 256), Active: 1},
		"no active group":     {Groups: one},
		"unknown group":       {Groups: one, Active: 2},
		"different groups":    {Groups: [][]value.Value{ints(1), ints(1, 2)}, Active: 1},
		"reserve too short":   {Groups: one, Active: 1, Reserve: time.Millisecond},
		"reserve too long":    {Groups: one, Active: 1, Reserve: 65536 * time.Second},
		"reserve is negative": {Groups: one, Active: 1, Reserve: -time.Second},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestNoTwoClientsEdit lets clients do what they like: what one edits is never another's, and what a group holds is
// what was confirmed last.
func TestNoTwoClientsEdit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, err := New(Config{Groups: [][]value.Value{ints(0), ints(0), ints(0)}, Active: 1, Reserve: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		var editor string // the oracle
		var group int
		var until time.Time
		held, edited := map[int]int64{1: 0, 2: 0, 3: 0}, int64(0)
		now := start
		for i := range int64(rapid.IntRange(1, 40).Draw(t, "steps")) {
			now = now.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "wait")) * time.Second)
			if editor != "" && !now.Before(until) {
				editor = ""
			}
			client := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "client")
			mine := editor == client
			var err error
			var want bool
			switch rapid.SampledFrom([]string{"edit", "set", "confirm", "gone"}).Draw(t, "what") {
			case "edit":
				n := rapid.IntRange(-1, 4).Draw(t, "group")
				err, want = c.Edit(client, n, now), n >= 0 && n <= 3 && (editor == "" || mine)
				if want && n == 0 {
					editor = ""
				} else if want {
					editor, group, edited, until = client, n, held[n], now.Add(10*time.Second)
				}
			case "set":
				if err, want = c.Set(client, 0, ints(i), now), mine; want {
					edited, until = i, now.Add(10*time.Second)
				}
			case "confirm":
				if _, err = c.Confirm(client, now); mine {
					want, held[group], editor = true, edited, ""
				}
			case "gone":
				if want = true; c.Gone(client) {
					editor = ""
				}
			}
			if (err == nil) != want {
				t.Fatalf("step %d: got %v, want done: %t", i, err, want)
			}
			for n, v := range held {
				if got := c.Values(n)[0]; !got.Equal(value.Int(v)) {
					t.Fatalf("step %d: group %d holds %v, want %d", i, n, got, v)
				}
			}
			if got := first(c.Edited()); editor != "" && got != edited {
				t.Fatalf("step %d: %d is edited, want %d", i, got, edited)
			}
		}
	})
}
