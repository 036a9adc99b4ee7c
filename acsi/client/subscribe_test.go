package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/acsi/scl"
	"busbar.example/acsi/server"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// feeder runs the feeder of the demo until the test ends.
func feeder(t *testing.T) *server.Engine {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "app", "demo", "scl", "feeder.cid"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := scl.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	m, _, err := d.Model("", "")
	if err != nil {
		t.Fatal(err)
	}
	e, err := server.New(server.Config{Model: m})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() {
		e.Run(ctx)
		close(ran)
	}()
	t.Cleanup(func() {
		cancel()
		<-ran
	})
	return e
}

// operator is a client of its own that may do all that the tests do.
func operator(t *testing.T, e *server.Engine) (*Client, acsi.Services) {
	t.Helper()
	s := e.Services(subject(rbac.Engineer, rbac.Operator))
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return New(s), s
}

// breakerIs has the process move the breaker.
func breakerIs(t *testing.T, e *server.Engine, position byte) {
	t.Helper()
	h, err := e.Handle(acsi.MustRef("FDR1LD0/XCBR1.Pos.stVal[ST]"))
	if err != nil {
		t.Fatal(err)
	}
	e.Update(func(tx *server.Tx) {
		if err := tx.SetStamped(h, value.Bits(2, []byte{position << 6}), acsi.QualityGood, tx.Now()); err != nil {
			t.Error(err)
		}
	})
}

// next is the next n updates.
func next(t *testing.T, s *Subscription, n int) []Update {
	t.Helper()
	var got []Update
	for u, err := range s.Updates(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, u); len(got) == n {
			break
		}
	}
	return got
}

func (u Update) brief() string {
	var b strings.Builder
	for _, v := range u.Values {
		for _, row := range (Style{}).rows(&v.Reading) {
			fmt.Fprintf(&b, "%s=%s(%s) ", row.ref, row.text, v.Reason)
		}
	}
	return strings.TrimSpace(b.String())
}

func subscribe(t *testing.T, c *Client, ref string, cfg SubscribeConfig) *Subscription {
	t.Helper()
	s, err := c.Subscribe(t.Context(), acsi.MustRef(ref), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const position = "FDR1LD0/XCBR1.Pos.stVal[ST]"

// Conformance: cRp.
func TestASubscriptionTellsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := feeder(t)
		breakerIs(t, e, 2)
		c, _ := operator(t, e)
		for _, ref := range []string{"FDR1LD0/LLN0.brcbSwitching", "FDR1LD0/LLN0.brcbSwitching02", "FDR1LD0/LLN0.Switching"} {
			s := subscribe(t, c, ref, SubscribeConfig{Snapshot: true, Purge: true})
			all := next(t, s, 1)[0]
			if len(all.Values) != len(s.Members()) || all.Values[0].Reason != acsi.ReasonGeneralInterrogation || all.Missed != 0 {
				t.Errorf("%s: the first report is %s", ref, all.brief())
			}
			breakerIs(t, e, 1)
			breakerIs(t, e, 2)
			for i, want := range []string{"off", "on"} {
				u := next(t, s, 1)[0]
				if got := u.brief(); got != position+"="+want+"(dchg)" || u.Missed != 0 || u.Overflow || u.Report.Time.IsZero() {
					t.Errorf("%s: report %d is %s, %+v", ref, i, got, u)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Errorf("%s: %v", ref, err)
			}
			if got := s.Stats(); got != (SubscriptionStats{Received: 3}) {
				t.Errorf("%s: %+v", ref, got)
			}
		}
		synctest.Wait()
	})
}

// Conformance: cRp.
func TestTheNextFreeControlBlockIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := feeder(t)
		var taken []*Subscription
		for i := range 4 {
			c, _ := operator(t, e)
			s := subscribe(t, c, "FDR1LD0/LLN0.urcbMeasurements", SubscribeConfig{})
			if want := fmt.Sprintf("urcbMeasurements%02d", i+1); s.Block().Name() != want {
				t.Errorf("client %d has %s, want %s", i, s.Block(), want)
			}
			taken = append(taken, s)
		}
		c, _ := operator(t, e)
		_, err := c.Subscribe(t.Context(), acsi.MustRef("FDR1LD0/LLN0.urcbMeasurements"), SubscribeConfig{})
		if !errors.Is(err, &acsi.Error{Code: acsi.TemporarilyUnavailable}) || !strings.Contains(err.Error(), "urcbMeasurements04") {
			t.Errorf("a fifth client: %v", err)
		}
		if err := taken[2].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := subscribe(t, c, "FDR1LD0/LLN0.urcbMeasurements", SubscribeConfig{}); s.Block().Name() != "urcbMeasurements03" {
			t.Errorf("it has %s", s.Block())
		}
		for _, bad := range []string{"FDR1LD0/LLN0.nothing", "FDR1LD0/LLN0", "FDR1LD0/LLN0.Mod"} {
			if _, err := c.Subscribe(t.Context(), acsi.MustRef(bad), SubscribeConfig{}); err == nil {
				t.Errorf("%s can be subscribed to", bad)
			}
		}
	})
}

// Conformance: cBr.
func TestASubscriptionResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := feeder(t)
		breakerIs(t, e, 2)
		first, services := operator(t, e)
		s := subscribe(t, first, "FDR1LD0/LLN0.brcbSwitching01", SubscribeConfig{Purge: true})
		breakerIs(t, e, 1)
		seen := next(t, s, 1)[0]
		if s.LastEntry() != seen.Report.EntryID || s.LastEntry() == (acsi.EntryID{}) {
			t.Errorf("the last entry is %x, of the report %x", s.LastEntry(), seen.Report.EntryID)
		}
		if err := services.Close(t.Context()); err != nil { // as the loss of the association
			t.Fatal(err)
		}
		for _, p := range []byte{2, 1, 2} {
			breakerIs(t, e, p)
		}
		time.Sleep(2 * time.Minute) // the reservation is over
		again, _ := operator(t, e)
		s = subscribe(t, again, "FDR1LD0/LLN0.brcbSwitching01", SubscribeConfig{Resume: seen.Report.EntryID})
		var got []string
		for _, u := range next(t, s, 3) {
			got = append(got, u.brief())
		}
		want := fmt.Sprintf("%[1]s=on(dchg) %[1]s=off(dchg) %[1]s=on(dchg)", position)
		if strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := again.Subscribe(t.Context(), acsi.MustRef("FDR1LD0/LLN0.brcbSwitching01"), SubscribeConfig{Resume: acsi.EntryNumber(1)})
		if !errors.Is(err, &acsi.Error{Code: acsi.ObjectValueInvalid}) {
			t.Errorf("an entry that is not there: %v", err)
		}
	})
}

// What is lost is told, whether the network, this end or the IED has lost it.
func TestGapsAreShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := feeder(t)
		breakerIs(t, e, 2)
		c, _ := operator(t, e)
		s := subscribe(t, c, "FDR1LD0/LLN0.brcbSwitching01", SubscribeConfig{Purge: true, Queue: 1})
		for _, p := range []byte{1, 2, 1, 2} {
			breakerIs(t, e, p)
		}
		time.Sleep(time.Second) // the first report waits, three are dropped
		next(t, s, 1)
		breakerIs(t, e, 1)
		if u := next(t, s, 1)[0]; u.Missed != 3 {
			t.Errorf("missed are %d, want 3", u.Missed)
		}
		if got := s.Stats(); got != (SubscriptionStats{Received: 2, Missed: 3, Dropped: 3}) {
			t.Errorf("%+v", got)
		}
	})
	s := &Subscription{block: acsi.MustRef("LD/LLN0.u[RP]")}
	buffered := &Subscription{block: acsi.MustRef("LD/LLN0.b[BR]")}
	for _, test := range []struct {
		s    *Subscription
		seq  uint16
		want int
	}{{s, 254, 0}, {s, 255, 0}, {s, 0, 0}, {s, 2, 1}, {buffered, 65534, 0}, {buffered, 0, 1}, {buffered, 255, 254}, {buffered, 256, 0}} {
		if got := test.s.gap(&acsi.Report{OptFlds: acsi.OptSeqNum, SeqNum: test.seq}); got != test.want {
			t.Errorf("%s: number %d: %d are missing, want %d", test.s.block, test.seq, got, test.want)
		}
	}
}

// reporter is an IED whose reports the test makes up.
type reporter struct {
	acsi.Services
	notices chan acsi.Notice
}

func (r *reporter) Next(ctx context.Context) (acsi.Notice, error) {
	select {
	case n, open := <-r.notices:
		if !open {
			return nil, net.ErrClosed
		}
		return n, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestReportsThatMakeNoSense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := feeder(t)
		_, services := operator(t, e)
		r := &reporter{services, make(chan acsi.Notice, 10)}
		s := subscribe(t, New(r), "FDR1LD0/LLN0.brcbSwitching01", SubscribeConfig{})
		id, n := s.rptID, len(s.Members())
		r.notices <- &acsi.Report{RptID: "another", SetSize: 1}
		r.notices <- &acsi.Termination{}
		r.notices <- &acsi.Report{RptID: id, SetSize: n, OptFlds: acsi.OptBufOvfl | acsi.OptConfRev, BufOvfl: true, ConfRev: 77,
			Included: []acsi.ReportEntry{{Member: n - 1, Value: value.Int(3)}}}
		u := next(t, s, 1)[0]
		if !u.Overflow || !u.Reconfigure || len(u.Values) != 1 || u.Values[0].Err == nil {
			t.Errorf("got %+v", u)
		}
		r.notices <- &acsi.Report{RptID: id, SetSize: n + 1}
		for _, err := range s.Updates(t.Context()) {
			if err == nil || !strings.Contains(err.Error(), "has "+fmt.Sprint(n)) {
				t.Errorf("a report of another size: %v", err)
			}
		}
		close(r.notices)
		for _, err := range s.Updates(t.Context()) {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("after the end: %v", err)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
