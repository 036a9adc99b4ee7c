package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// follower is a watch whose poll a test steps by the clock of a bubble.
type follower struct {
	t      *testing.T
	peer   *peer
	watch  *Watch
	polled []time.Duration // when the IED was asked, from the beginning
	asked  [][]acsi.Ref    // and for what
	answer func(poll int, results []acsi.Result) ([]acsi.Result, error)
}

func newFollower(t *testing.T, cfg WatchConfig, names ...string) *follower {
	t.Helper()
	f := &follower{t: t, peer: newPeer(t)}
	began := time.Now()
	f.peer.read = func(refs []acsi.Ref, results []acsi.Result) ([]acsi.Result, error) {
		f.polled = append(f.polled, time.Since(began))
		f.asked = append(f.asked, refs)
		if f.answer == nil {
			return results, nil
		}
		return f.answer(len(f.polled), results)
	}
	var err error
	if f.watch, err = New(f.peer).Watch(t.Context(), cfg, refs(names...)...); err != nil {
		t.Fatal(err)
	}
	return f
}

// follow gives what changes within d, one line each, and the error at the end.
func (f *follower) follow(d time.Duration) (lines []string, err error) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), d)
	defer cancel()
	began := time.Now()
	for changes, err := range f.watch.Changes(ctx) {
		if err != nil {
			return lines, err
		}
		for _, c := range changes {
			line := fmt.Sprintf("%v %v", time.Since(began), c.Ref)
			switch {
			case c.Err != nil:
				line += " " + c.Err.Error()
			default:
				line += " " + Style{}.measured(&c.Reading, leaf{Object: c.Object, value: c.Value})
			}
			if c.Quality != nil {
				line += " " + c.Quality.String()
			}
			if c.Initial {
				line += " initial"
			}
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// measurand is TotW with a magnitude and a quality, at a time of its own.
func measurand(mag float32, q acsi.Quality, at time.Time) value.Value {
	return value.StructureOf(value.StructureOf(value.Int(0), value.Float(mag)), q.Value(), value.UTCOf(at, 0))
}

const totW = "CRNLD0/MMXU1.TotW[MX]"

func TestAWatchShowsAllAtFirstAndThenWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t, WatchConfig{}, totW)
		good, old := acsi.QualityGood, acsi.QualityQuestionable|acsi.QualityOldData
		f.answer = func(poll int, results []acsi.Result) ([]acsi.Result, error) {
			results[0].Value = map[int]value.Value{
				1: measurand(1, good, noon),
				2: measurand(1, good, noon),
				3: measurand(1, good, noon.Add(time.Minute)), // another time alone is no change
				4: measurand(2, good, noon),
				5: measurand(2, old, noon),
				6: measurand(1, good, noon),
			}[poll]
			return results, nil
		}
		got, err := f.follow(5500 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"0s CRNLD0/MMXU1.TotW.mag.i[MX] 0 good initial",
			"0s CRNLD0/MMXU1.TotW.mag.f[MX] 1 kW good initial",
			"3s CRNLD0/MMXU1.TotW.mag.f[MX] 2 kW good",
			"4s CRNLD0/MMXU1.TotW.mag.i[MX] 0 questionable oldData",
			"4s CRNLD0/MMXU1.TotW.mag.f[MX] 2 kW questionable oldData",
			"5s CRNLD0/MMXU1.TotW.mag.i[MX] 0 good",
			"5s CRNLD0/MMXU1.TotW.mag.f[MX] 1 kW good",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("changes (-want +got):\n%s", d)
		}
		if d := cmp.Diff(WatchStats{Values: 2, Requests: 1, Polls: 6}, f.watch.Stats()); d != "" {
			t.Errorf("stats (-want +got):\n%s", d)
		}
		if first, second := len(f.asked[0]), len(f.asked[1]); first != 2 || second != 1 {
			t.Errorf("the first poll asks for %v, the second for %v: want the unit with the first alone", f.asked[0], f.asked[1])
		}
	})
}

func TestAWatchOfALeafReadsItsQualityBesideIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t, WatchConfig{}, "CRNLD0/MMXU1.TotW.mag.f")
		f.answer = func(poll int, results []acsi.Result) ([]acsi.Result, error) {
			results[1].Value = (acsi.QualityInvalid * acsi.Quality(poll/2)).Value()
			return results, nil
		}
		got, err := f.follow(1500 * time.Millisecond)
		if err != nil || len(got) != 2 || !strings.HasSuffix(got[0], "kW good initial") || !strings.HasSuffix(got[1], "kW invalid") {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestWhatAWatchFollows(t *testing.T) {
	for _, tc := range []struct {
		name     string
		refs     []string
		want     []string // references in the order of the initial changes
		requests int
	}{
		{"a data object has all but what is edited or operated", []string{"CRNLD0/MMXU1.TotW"},
			[]string{"CRNLD0/MMXU1.TotW.mag.i[MX]", "CRNLD0/MMXU1.TotW.mag.f[MX]", "CRNLD0/MMXU1.TotW.units.SIUnit[CF]", "CRNLD0/MMXU1.TotW.units.multiplier[CF]", "CRNLD0/MMXU1.TotW.db[CF]"}, 1},
		{"a setting has its value in force", []string{"CRNLD0/PTOC1.StrVal.setMag.f"}, []string{"CRNLD0/PTOC1.StrVal.setMag.f[SG]"}, 1},
		{"a quality by itself is a value", []string{"CRNLD0/MMXU1.TotW.q"}, []string{"CRNLD0/MMXU1.TotW.q[MX]"}, 1},
		{"a logical node under one functional constraint", []string{"CRNLD0/MMXU1[CF]"},
			[]string{"CRNLD0/MMXU1.TotW.units.SIUnit[CF]", "CRNLD0/MMXU1.TotW.units.multiplier[CF]", "CRNLD0/MMXU1.TotW.db[CF]", "CRNLD0/MMXU1.PhV.angRef[CF]"}, 1},
		{"an array has its elements", []string{"FreelyNamed/SchFSCH1.Curve.val"},
			[]string{"FreelyNamed/SchFSCH1.Curve.val(0)[SP]", "FreelyNamed/SchFSCH1.Curve.val(1)[SP]", "FreelyNamed/SchFSCH1.Curve.val(2)[SP]"}, 1},
		{"what is named twice is followed once", []string{totW, "CRNLD0/MMXU1.TotW.mag.f", totW}, []string{"CRNLD0/MMXU1.TotW.mag.i[MX]", "CRNLD0/MMXU1.TotW.mag.f[MX]"}, 1},
		{"nothing", []string{"CRNLD0/NOPE1", "NOPE", "CRNLD0/CSWI1.Pos.Oper[CO]"}, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFollower(t, WatchConfig{}, tc.refs...)
				lines, err := f.follow(time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, line := range lines {
					if strings.HasSuffix(line, " initial") && !strings.Contains(line, "object-") {
						got = append(got, strings.Fields(line)[1])
					}
				}
				if d := cmp.Diff(tc.want, got); d != "" {
					t.Errorf("followed (-want +got):\n%s", d)
				}
				if s := f.watch.Stats(); s.Requests != tc.requests || s.Polls != tc.requests {
					t.Errorf("%+v, want %d requests", s, tc.requests)
				}
			})
		})
	}
}

// Every value of a device is followed, none twice, and none that reading would select or that is being edited.
func TestAWatchOfADeviceFollowsAllOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t, WatchConfig{}, "CRNLD0")
		seen := map[string]bool{}
		lines, err := f.follow(time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			ref := strings.Fields(line)[1]
			if seen[ref] || strings.HasSuffix(ref, "[CO]") || strings.HasSuffix(ref, "[SE]") || !strings.HasSuffix(line, " initial") {
				t.Errorf("%s: seen before %v", line, seen[ref])
			}
			seen[ref] = true
		}
		if s := f.watch.Stats(); s.Values != len(seen) || s.Values < 20 || s.Requests != len(f.asked) {
			t.Errorf("%+v, but %d values were shown and %d requests made", s, len(seen), len(f.asked))
		}
	})
}

func TestPollsDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t, WatchConfig{Interval: time.Second}, totW)
		takes := []time.Duration{0, 2500 * time.Millisecond, time.Second, 300 * time.Millisecond, 0}
		f.answer = func(poll int, results []acsi.Result) ([]acsi.Result, error) {
			time.Sleep(takes[poll-1])
			return results, nil
		}
		if _, err := f.follow(5900 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, time.Second, 4 * time.Second, 5 * time.Second}
		if d := cmp.Diff(want, f.polled); d != "" {
			t.Errorf("asked at (-want +got):\n%s", d)
		}
		if late := f.watch.Stats().Late; late != 2 {
			t.Errorf("%d polls were left out, want 2", late)
		}
	})
}

func TestWhatFailsIsShownOnceAndTheRestGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFollower(t, WatchConfig{}, "CRNLD0/NOPE1.A", totW, "CRNLD0/PTOC1.StrVal.setMag.f")
		denied := acsi.Errorf(acsi.ObjectAccessDenied, "")
		f.answer = func(poll int, results []acsi.Result) ([]acsi.Result, error) {
			switch poll {
			case 2, 3:
				results[0] = acsi.Result{Err: denied}
			case 4:
				results[0] = acsi.Result{Err: acsi.Errorf(acsi.HardwareFault, "")}
			case 6: // the service as a whole
				return nil, acsi.Errorf(acsi.TemporarilyUnavailable, "")
			}
			return results, nil
		}
		got, err := f.follow(6500 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 || !strings.HasPrefix(got[0], "0s CRNLD0/NOPE1.A object-non-existent: CRNLD0 has no logical node NOPE1") {
			t.Fatalf("got %q", got)
		}
		want := []string{
			"0s CRNLD0/MMXU1.TotW.mag.i[MX] 0 invalid initial",
			"0s CRNLD0/MMXU1.TotW.mag.f[MX] 0 kW invalid initial",
			"0s CRNLD0/PTOC1.StrVal.setMag.f[SG] 2.5 W initial",
			"1s CRNLD0/MMXU1.TotW[MX] object-access-denied",
			"3s CRNLD0/MMXU1.TotW[MX] hardware-fault",
			"4s CRNLD0/MMXU1.TotW.mag.i[MX] 0 invalid",
			"4s CRNLD0/MMXU1.TotW.mag.f[MX] 0 kW invalid",
			"5s CRNLD0/MMXU1.TotW[MX] temporarily-unavailable",
			"5s CRNLD0/PTOC1.StrVal.setMag.f[SG] temporarily-unavailable",
			"6s CRNLD0/MMXU1.TotW.mag.i[MX] 0 invalid",
			"6s CRNLD0/MMXU1.TotW.mag.f[MX] 0 kW invalid",
			"6s CRNLD0/PTOC1.StrVal.setMag.f[SG] 2.5 W",
		}
		if d := cmp.Diff(want, got[1:]); d != "" {
			t.Errorf("changes (-want +got):\n%s", d)
		}
	})
}

func TestAWatchEnds(t *testing.T) {
	gone := errors.New("link lost")
	for _, tc := range []struct {
		name   string
		cfg    WatchConfig
		answer func(f *follower, ctx context.Context, poll int) error
		want   error
		at     time.Duration
	}{
		{"when the services fail", WatchConfig{}, func(_ *follower, _ context.Context, poll int) error {
			if poll == 3 {
				return gone
			}
			return nil
		}, gone, 2 * time.Second},
		{"when an answer does not come", WatchConfig{Timeout: 4 * time.Second}, func(_ *follower, ctx context.Context, poll int) error {
			<-ctx.Done()
			return ctx.Err()
		}, context.DeadlineExceeded, 4 * time.Second},
		{"without an error when it is told to, whatever a poll then says", WatchConfig{Timeout: time.Hour}, func(_ *follower, ctx context.Context, poll int) error {
			<-ctx.Done()
			return ctx.Err()
		}, nil, time.Minute + lastPollTime},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFollower(t, tc.cfg, totW)
				f.watch.client.services = &stubborn{f.peer, func(ctx context.Context) error { return tc.answer(f, ctx, f.watch.stats.Polls) }}
				began := time.Now()
				_, err := f.follow(time.Minute)
				if !errors.Is(err, tc.want) || time.Since(began) != tc.at {
					t.Errorf("ended after %v with %v, want %v with %v", time.Since(began), err, tc.at, tc.want)
				}
			})
		})
	}
}

// stubborn answers reads only where before says so.
type stubborn struct {
	acsi.Services
	before func(context.Context) error
}

func (s *stubborn) GetDataValues(ctx context.Context, refs []acsi.Ref) ([]acsi.Result, error) {
	if err := s.before(ctx); err != nil {
		return nil, err
	}
	return s.Services.GetDataValues(ctx, refs)
}

func TestAWatchRefusesToHurry(t *testing.T) {
	for _, cfg := range []WatchConfig{{Interval: MinInterval - 1}, {Interval: -1}, {Timeout: -1}} {
		if _, err := newClient(t, rbac.Viewer).Watch(bg, cfg, refs(totW)...); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

func TestAChangeAsJSON(t *testing.T) {
	r, err := newClient(t, rbac.Viewer).Read(bg, refs(totW)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		c    Change
		want string
	}{
		{"first", Change{Reading: r[0], Initial: true, At: noon}, `"unit":"kW","quality":{"validity":"invalid","detail":[]},"time":"2026-11-22T12:00:00.123Z","at":"2026-11-22T12:00:00.123Z","initial":true}`},
		{"later", Change{Reading: r[0], At: noon}, `"at":"2026-11-22T12:00:00.123Z"}`},
		{"failure", Change{Reading: Reading{Object: Object{Ref: acsi.MustRef(totW)}, Err: acsi.Errorf(acsi.HardwareFault, "x")}, At: noon},
			`{"ref":"CRNLD0/MMXU1.TotW","fc":"MX","error":{"layer":"acsi","code":"hardware-fault","text":"x"},"at":"2026-11-22T12:00:00.123Z"}`},
	} {
		text, err := json.Marshal(tc.c)
		if err != nil || !strings.HasSuffix(string(text), tc.want) || !strings.HasPrefix(string(text), `{"ref":"CRNLD0/MMXU1.TotW","fc":"MX",`) {
			t.Errorf("%s: got %s %v, want it to end with %s", tc.name, text, err, tc.want)
		}
	}
}

func TestChangesForPeople(t *testing.T) {
	at := func(name string, v value.Value, q acsi.Quality, initial bool) Change {
		kind := &acsi.Node{Name: "f", FC: acsi.MX, Type: acsi.Type{Kind: v.Kind()}}
		return Change{Reading: Reading{Object: Object{Ref: acsi.MustRef(name), Node: kind}, Value: v, Quality: &q}, Initial: initial, At: noon}
	}
	changes := []Change{
		at("A/B1.C.f[MX]", value.Float(1), 0, true),
		at("A/B1.Longer.f[MX]", value.Float(100.25), acsi.QualityQuestionable, false),
		at("A/B1.C.f[MX]", value.Float(3), acsi.QualityInvalid|acsi.QualityFailure, false),
		at("A/B1.C.f[MX]", value.Float(4), acsi.QualityTest, false),
		at("A/B1.C.f[MX]", value.Visible("a text that is longer than the column"), 0, false),
		{Reading: Reading{Object: Object{Ref: acsi.MustRef("A/B1.C[MX]")}, Err: errors.New("no\x1b[31m")}, Initial: true, At: noon},
		{Reading: Reading{Object: Object{Ref: acsi.MustRef("A/B1.D.x[CF]"), Node: &acsi.Node{Name: "x", FC: acsi.CF, Type: acsi.Type{Kind: value.Boolean}}}, Value: value.Bool(true)}, At: noon},
	}
	for _, colour := range []bool{false, true} {
		want := []string{"", "", "", "", "", "", ""}
		if colour {
			want = []string{green, yellow, red, cyan, green, red, ""}
		}
		for i, line := range []string{
			"12:00:00.123  A/B1.C.f[MX]       1       good             initial",
			"12:00:00.123  A/B1.Longer.f[MX]  100.25  questionable",
			"12:00:00.123  A/B1.C.f[MX]       3       invalid failure",
			"12:00:00.123  A/B1.C.f[MX]       4       good test",
			"12:00:00.123  A/B1.C.f[MX]       a text that is longer than the column  good",
			`12:00:00.123  A/B1.C[MX]         error: no\x1b[31m`,
			"12:00:00.123  A/B1.D.x[CF]       true",
		} {
			if want[i] += line; colour && i < 6 {
				want[i] += plain
			}
		}
		var b strings.Builder
		p := ChangePrinter{Style: Style{Zone: time.UTC, Colour: colour}}
		if err := p.Print(&b, changes); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.Join(want, "\n")+"\n", b.String()); d != "" {
			t.Errorf("coloured %v (-want +got):\n%s", colour, d)
		}
	}
}
