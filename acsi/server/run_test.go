package server

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

func TestRunTicksWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{Model: model(t)})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		e.mu.Lock()
		e.alarm(start.Add(time.Hour)) // before it runs
		e.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan time.Time, 1)
		go func() {
			e.Run(ctx)
			ended <- time.Now()
		}()
		synctest.Wait()
		if got := e.Next(); !got.Equal(start.Add(time.Hour)) {
			t.Errorf("due at %v, want in an hour", got)
		}
		e.mu.Lock()
		e.alarm(start.Add(time.Second))     // sooner, while it waits
		e.alarm(start.Add(2 * time.Second)) // later: nothing new
		e.mu.Unlock()
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		if e.Next().IsZero() {
			t.Error("called before it was due")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := e.Next(); !got.IsZero() {
			t.Errorf("after a second: due at %v, want never", got)
		}
		started := make(chan struct{})
		e.mu.Lock()
		e.spawn(func(ctx context.Context) {
			close(started)
			<-ctx.Done()
			time.Sleep(time.Second)
		})
		e.mu.Unlock()
		<-started
		at := time.Now()
		cancel()
		if got := (<-ended).Sub(at); got != time.Second {
			t.Errorf("Run ended after %v, want with its last task", got)
		}
	})
}

// heard is a watcher that keeps what it is told.
type heard struct {
	why    map[int]acsi.Reason
	times  int
	asked  bool
	follow func() // what it changes itself
}

func (h *heard) touch(member int, why acsi.Reason) bool {
	h.why[member] |= why
	first := !h.asked
	h.asked = true
	return first
}

func (h *heard) settle(time.Time) {
	h.asked = false
	h.times++
	if h.follow != nil {
		h.follow()
	}
}

// Only the triggers of the type make a change heard, and an equal value is a data update alone.
func TestWatchersHearOfChanges(t *testing.T) {
	leaf := func(name string, triggers acsi.TrgOps) *acsi.Node {
		return &acsi.Node{Name: name, Kind: acsi.DataAttributeNode, FC: acsi.ST, Type: acsi.Type{Kind: value.Integer, Size: 32}, Triggers: triggers}
	}
	do := &acsi.Node{Name: "Cnt", Kind: acsi.DataObjectNode, Children: []*acsi.Node{
		leaf("d", acsi.TrgDataChange), leaf("u", acsi.TrgDataChange|acsi.TrgDataUpdate), leaf("n", 0)}}
	e, err := New(Config{Model: &acsi.Model{LDs: []*acsi.LogicalDevice{{Name: "LD", LNs: []*acsi.LogicalNode{
		{Node: &acsi.Node{Name: "GGIO1", Kind: acsi.LogicalNodeNode, Children: []*acsi.Node{do}}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := e.Handle(acsi.MustRef("LD/GGIO1.Cnt[ST]"))
	if err != nil {
		t.Fatal(err)
	}
	one, err := e.Handle(acsi.MustRef("LD/GGIO1.Cnt.u[ST]"))
	if err != nil {
		t.Fatal(err)
	}
	w, other := &heard{why: map[int]acsi.Reason{}}, &heard{why: map[int]acsi.Reason{}}
	e.watch(w, 7, whole.point)
	e.watch(other, 3, one.point)
	set := func(d, u, n int64) {
		e.Update(func(tx *Tx) {
			if err := tx.Set(whole, value.StructureOf(value.Int(d), value.Int(u), value.Int(n))); err != nil {
				t.Error(err)
			}
		})
	}
	want := func(step string, times int, why acsi.Reason) {
		t.Helper()
		if w.times != times || w.why[7] != why || len(w.why) > 1 {
			t.Errorf("%s: heard %d times, %v, want %d times, %s", step, w.times, w.why, times, why)
		}
		w.times, w.why = 0, map[int]acsi.Reason{}
	}
	set(0, 0, 1)
	want("a leaf without triggers changes", 1, acsi.ReasonDataUpdate) // u was written
	set(1, 0, 1)
	want("d changes", 1, acsi.ReasonDataChange|acsi.ReasonDataUpdate)
	e.Update(func(tx *Tx) {
		for i := range 10 {
			if err := tx.Set(one, value.Int(int64(i))); err != nil {
				t.Error(err)
			}
		}
	})
	want("many changes together", 1, acsi.ReasonDataChange|acsi.ReasonDataUpdate)
	other.follow = func() {
		other.follow = nil
		e.store(whole.first, value.Int(99))
	}
	set(1, 77, 1)
	want("what a watcher changes is heard, too", 2, acsi.ReasonDataChange|acsi.ReasonDataUpdate)
	e.unwatch(w, whole.point)
	set(5, 5, 5)
	want("after unwatch", 0, 0)
	if other.why[3] == 0 {
		t.Error("unwatch of one has taken the other away")
	}
}

func TestSessionTellsInOrderAndDropsTheOldest(t *testing.T) {
	b := newBench(t)
	s := b.as(rbac.Operator).(*session)
	b.mu.Lock()
	for i := range maxNotices + 2 {
		s.tell(&acsi.Termination{Oper: value.Int(int64(i))})
	}
	b.mu.Unlock()
	for want := 2; want < maxNotices+2; want++ {
		n, err := s.Next(bg)
		if err != nil {
			t.Fatal(err)
		}
		if got := n.(*acsi.Termination).Oper; !got.Equal(value.Int(int64(want))) {
			t.Fatalf("got %v, want %d", got, want)
		}
	}
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if n, err := s.Next(ctx); n != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("after the last: %v %v", n, err)
	}
}

func TestNextWaitsAndHearsOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		s := b.as(rbac.Operator).(*session)
		got := make(chan acsi.Notice)
		ended := make(chan error)
		go func() {
			for {
				n, err := s.Next(bg)
				if err != nil {
					ended <- err
					return
				}
				got <- n
			}
		}()
		synctest.Wait()
		b.mu.Lock()
		s.tell(&acsi.Termination{})
		b.mu.Unlock()
		<-got
		synctest.Wait()
		if err := s.Close(bg); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want that it is closed", err)
		}
		if err := s.Close(bg); err != nil {
			t.Errorf("closed again: %v", err)
		}
		s.tell(&acsi.Termination{}) // nobody is there to hear
		if n, err := s.Next(bg); n != nil || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end: %v %v", n, err)
		}
	})
}
