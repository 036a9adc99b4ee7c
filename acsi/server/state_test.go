package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

// runPlant is a plant that runs with a State until stop is called, as a process does until it is told to end.
func runPlant(t *testing.T, state State, edit func(*Config)) (p *plantBench, stop func()) {
	t.Helper()
	p = newPlant(t, func(c *Config) {
		c.State, c.Now = state, time.Now
		if edit != nil {
			edit(c)
		}
	}, 3, 1, 2)
	ctx, cancel := context.WithCancel(t.Context())
	go p.Run(ctx)
	return p, func() {
		cancel()
		synctest.Wait()
	}
}

// Conformance: sDs9, sBr9.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var state shelf
		p, stop := runPlant(t, &state, nil)
		ann := p.associate("ann")
		made := setRef(t, "LD/MMXU1.made")
		for _, name := range []string{"LD/MMXU1.gone", "LD/MMXU1.made"} {
			if err := ann.CreateDataSet(bg, setRef(t, name), refs("LD/MMXU1.A1[MX]", "LD/MMXU1.A0[MX]")); err != nil {
				t.Fatal(err)
			}
		}
		if err := ann.DeleteDataSet(bg, setRef(t, "LD/MMXU1.gone")); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, ann, "LD/LLN0.b0.DatSet[BR]", value.Visible("LD/MMXU1$made"))
		mustWrite(t, ann, "LD/LLN0.b0.ResvTms[BR]", value.Int(100))
		mustWrite(t, ann, "LD/LLN0.b0.RptID[BR]", value.Visible("mine"))
		mustWrite(t, ann, "LD/LLN0.u0.RptID[RP]", value.Visible("mine"))
		p.measure("0=1 2=1") // 2 is in b1 alone
		p.measure("1=2")
		mustWrite(t, ann, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
		first, err := ann.Next(t.Context())
		if err != nil || reportText(first.(*acsi.Report)) != "0 1=1/dchg,qchg" {
			t.Fatal(first, err)
		}
		stop()

		p, stop = runPlant(t, &state, nil)
		defer stop()
		bob, ann := p.associate("bob"), p.associate("ann")
		names, err := bob.GetDataSets(bg, acsi.MustRef("LD/MMXU1"))
		if d := cmp.Diff([]string{"made"}, names); d != "" || err != nil {
			t.Errorf("data sets: %v (-want +got):\n%s", err, d)
		}
		wantCode(t, "the data set is in use", acsi.TemporarilyUnavailable, bob.DeleteDataSet(bg, made))
		for ref, want := range map[string]value.Value{
			"LD/LLN0.b0.DatSet[BR]":  value.Visible("LD/MMXU1$made"),
			"LD/LLN0.b0.ConfRev[BR]": value.Uint(2),
			"LD/LLN0.b0.RptID[BR]":   value.Visible("mine"),
			"LD/LLN0.b0.RptEna[BR]":  value.Bool(false),
			"LD/LLN0.b0.ResvTms[BR]": value.Int(100),
			"LD/LLN0.u0.RptID[RP]":   value.Visible(""),
		} {
			if got := get(t, bob, ref); !got.Equal(want) {
				t.Errorf("%s: got %v, want %v", ref, got, want)
			}
		}
		wantCode(t, "enabled by another client", acsi.TemporarilyUnavailable, write(bob, "LD/LLN0.b0.RptEna[BR]", value.Bool(true)))
		mustWrite(t, ann, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
		mustWrite(t, bob, "LD/LLN0.b1.RptEna[BR]", value.Bool(true))
		p.measure("0=5")
		var got []string
		for _, s := range []*session{ann, ann, bob, bob, bob} {
			n, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, reportText(n.(*acsi.Report)))
		}
		want := []string{"0 0=2/dchg,qchg", "1 1=5/dchg,qchg", // the process begins anew, with a quality that is invalid
			"0 0=1/dchg,qchg 2=1/dchg,qchg", "1 1=2/dchg,qchg", "2 0=5/dchg,qchg"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("what was not sent, and what is new (-want +got):\n%s", d)
		}
	})
}

// Entries are of no use to who reads them by another model: then the buffer begins anew, and no number is used twice.
func TestRestartWithAnotherModelPurges(t *testing.T) {
	for name, edit := range map[string]func(ln *acsi.LogicalNode){
		"another configuration":  func(ln *acsi.LogicalNode) { ln.Reports[1].ConfRev++ },
		"a member less":          func(ln *acsi.LogicalNode) { ln.DataSets[0].Members = ln.DataSets[0].Members[1:] },
		"no such control block":  func(ln *acsi.LogicalNode) { ln.Reports = ln.Reports[:1] },
		"a member of other type": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var state shelf
				p, stop := runPlant(t, &state, nil)
				p.measure("0=1")
				p.measure("1=1")
				ann := p.associate("ann")
				mustWrite(t, ann, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
				n, err := ann.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				sent := n.(*acsi.Report).EntryID
				stop()
				p, stop = runPlant(t, &state, func(c *Config) {
					if edit != nil {
						edit(c.Model.LDs[0].LNs[0])
						return
					}
					for _, a := range c.Model.LDs[0].LNs[1].Node.Children[0].Children {
						a.Triggers = 0
						if a.Name == "mag" {
							a.Children = append(a.Children, &acsi.Node{Name: "i", Kind: acsi.BasicDataAttributeNode, FC: acsi.MX, Type: acsi.Type{Kind: value.Integer, Size: 32}})
						}
					}
				})
				defer stop()
				synctest.Wait()
				for k := range state.records {
					if k.table == tableEntries && k.name == "LD/LLN0$BR$b0" {
						t.Errorf("entry %d is kept", k.number)
					}
				}
				if name == "no such control block" {
					return
				}
				if id := sent; errors.Is(write(p.associate("bob"), "LD/LLN0.b0.EntryID[BR]", value.Octets(id[:])), nil) {
					t.Error("an entry of the model that was is known")
				}
				r := p.reports.by[acsi.MustRef("LD/LLN0.b0[BR]")]
				if r.Last() < sent.Number() {
					t.Errorf("the numbers begin anew: %d after %d", r.Last(), sent.Number())
				}
			})
		})
	}
}

func TestDamagedRecordsPurge(t *testing.T) {
	for name, damage := range map[string]func(s *shelf, k shelfKey){
		"an entry":                       func(s *shelf, k shelfKey) { s.records[k] = []byte("nonsense") },
		"a control block":                func(s *shelf, k shelfKey) { s.records[shelfKey{tableControls, k.name, 0}] = []byte{1, 2, 3} },
		"a control block, behind its id": func(s *shelf, k shelfKey) { c := shelfKey{tableControls, k.name, 0}; s.records[c] = s.records[c][:70] },
		"entries without control block":  func(s *shelf, k shelfKey) { delete(s.records, shelfKey{tableControls, k.name, 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var state shelf
				p, stop := runPlant(t, &state, nil)
				p.measure("0=1")
				stop()
				for k := range state.records {
					if k.table == tableEntries && k.name == "LD/LLN0$BR$b0" {
						damage(&state, k)
					}
				}
				p, stop = runPlant(t, &state, nil)
				defer stop()
				p.measure("0=2")
				for block, want := range map[string][]string{"b0": {"0 0=2/dchg,qchg"}, "b1": {"0 0=1/dchg,qchg", "1 0=2/dchg,qchg"}} {
					s := p.associate(block)
					mustWrite(t, s, "LD/LLN0."+block+".RptEna[BR]", value.Bool(true))
					for _, want := range want {
						n, err := s.Next(t.Context())
						if err != nil || reportText(n.(*acsi.Report)) != want {
							t.Errorf("%s: got %v %v, want %s", block, n, err, want)
						}
					}
				}
				events := p.events.Events()
				if len(events) != 1 || events[0].ID != audit.StateLost || !strings.Contains(events[0].Text, "LD/LLN0.b0[BR] is purged") {
					t.Errorf("events %+v", events)
				}
			})
		})
	}
}

// A disk that is full is an alarm, once; reports are sent all the same, and when there is room again all is kept.
func TestStateThatCannotKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var state shelf
		state.fill(errors.New("no space left"))
		p, stop := runPlant(t, &state, nil)
		s := p.associate("ann")
		mustWrite(t, s, "LD/LLN0.b0.RptID[BR]", value.Visible("x")) // does not wait for ever
		mustWrite(t, s, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
		for i := range 3 {
			p.measure(fmt.Sprintf("0=%d", i+1))
			if _, err := s.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
		}
		p.measure("0=7")
		state.fill(nil)
		time.Sleep(2 * saveRetry)
		synctest.Wait()
		if got := state.count(tableEntries); got != 8 { // of two control blocks
			t.Errorf("%d entries are kept, want 8", got)
		}
		var ids []audit.ID
		for _, e := range p.events.Events() {
			ids = append(ids, e.ID)
		}
		if d := cmp.Diff([]audit.ID{audit.StateLost, audit.StateRestored}, ids); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		if text := p.events.Events()[0].Text; !strings.Contains(text, "no space left") {
			t.Errorf("the alarm says %q", text)
		}
		stop()
		p, stop = runPlant(t, &state, nil)
		defer stop()
		back := p.associate("bob")
		mustWrite(t, back, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
		n, err := back.Next(t.Context())
		if err != nil || reportText(n.(*acsi.Report)) != "0 0=7/dchg" {
			t.Errorf("got %v %v, want what was not sent", n, err)
		}
	})
}

// What was sent is kept without haste: a power cut within a second makes it come again, to who does not say where to go on.
func TestWhatWasSentIsKeptSoon(t *testing.T) {
	for _, tc := range []struct {
		cut  time.Duration
		want string
	}{{0, "0 0=1/dchg,qchg"}, {saveLagging, "0 0=2/dchg,qchg"}} {
		synctest.Test(t, func(t *testing.T) {
			var state shelf
			p, stop := runPlant(t, &state, nil)
			p.measure("0=1")
			s := p.associate("ann")
			mustWrite(t, s, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
			synctest.Wait()
			if _, err := s.Next(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(tc.cut)
			synctest.Wait()
			var cut shelf
			cut.records = maps.Clone(state.records)
			stop()
			p, stop = runPlant(t, &cut, nil)
			defer stop()
			p.measure("0=2")
			s = p.associate("ann")
			mustWrite(t, s, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
			if n, err := s.Next(t.Context()); err != nil || reportText(n.(*acsi.Report)) != tc.want {
				t.Errorf("cut after %v: got %v %v, want %s", tc.cut, reportText(n.(*acsi.Report)), err, tc.want)
			}
		})
	}
}

// A Commit takes a bounded number of entries: what is more goes with the next ones.
func TestManyEntriesAreKeptInSeveralCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var state shelf
		p, stop := runPlant(t, &state, func(c *Config) { c.ReportBuffer = 64 << 20 })
		const many = 2*entriesAtOnce + 500
		for i := range many {
			p.measure(fmt.Sprintf("0=%d", i+1))
		}
		synctest.Wait()
		if got := state.count(tableEntries); got != 2*many {
			t.Errorf("%d entries are kept, want %d of each of two control blocks", got, many)
		}
		stop()
		p, stop = runPlant(t, &state, func(c *Config) { c.ReportBuffer = 64 << 20 })
		defer stop()
		s := p.associate("ann")
		mustWrite(t, s, "LD/LLN0.b0.RptEna[BR]", value.Bool(true))
		for i := range many {
			n, err := s.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := n.(*acsi.Report).Included[0].Value.At(0).At(0).Float(); got != float64(i+1) {
				t.Fatalf("entry %d is of %v", i, got)
			}
		}
	})
}

func TestStateThatCannotBeRead(t *testing.T) {
	if _, err := New(Config{Model: plant(1, 0, 1), State: unreadable{}}); err == nil || !strings.Contains(err.Error(), "broken disk") {
		t.Errorf("got %v", err)
	}
}

type unreadable struct{ State }

func (unreadable) Load(func(Record) error) error { return errors.New("broken disk") }

// fill makes Commit fail with err, or work again with nil.
func (s *shelf) fill(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = err
}
