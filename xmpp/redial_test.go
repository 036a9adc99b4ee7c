package xmpp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/xmpp/sasl"
	"busbar.example/xmpp/stanza"
)

func streamEnd(c StreamCondition) error { return &StreamError{Condition: c, Remote: true} }

func TestRedialerWaits(t *testing.T) {
	refused := &NegotiationError{Step: StepSASL, Err: &sasl.Failure{Condition: sasl.NotAuthorized, Remote: true}}
	taken := &NegotiationError{Step: StepBind, Err: &stanza.Error{Type: stanza.Cancel, Condition: stanza.Conflict}}
	busy := &NegotiationError{Step: StepSASL, Err: &sasl.Failure{Condition: sasl.TemporaryAuthFailure, Remote: true}}
	type event struct {
		up  time.Duration // it was up for so long; 0: it was not
		err error
		min time.Duration // wait, where chance gives the least
		max time.Duration // and where the most
	}
	const second, ms = time.Second, time.Millisecond
	for _, tc := range []struct {
		name   string
		events []event
	}{
		{"failures", []event{
			{0, ErrBroken, 250 * ms, 500 * ms}, {0, io.EOF, 250 * ms, second}, {0, ErrBroken, 250 * ms, 2 * second}, {0, ErrBroken, 250 * ms, 4 * second},
			{0, ErrBroken, 250 * ms, 8 * second}, {0, ErrBroken, 250 * ms, 16 * second}, {0, ErrBroken, 250 * ms, 30 * second}, {0, ErrBroken, 250 * ms, 30 * second}}},
		{"a stable session makes up for them", []event{
			{0, ErrBroken, 250 * ms, 500 * ms}, {0, ErrBroken, 250 * ms, second}, {30 * second, ErrLost, 250 * ms, 500 * ms}}},
		{"a short one does not", []event{
			{0, ErrBroken, 250 * ms, 500 * ms}, {0, ErrBroken, 250 * ms, second}, {29 * second, ErrLost, 250 * ms, 2 * second}}},
		{"the server takes leave", []event{
			{time.Hour, streamEnd(SystemShutdown), 0, second}, {0, ErrBroken, 250 * ms, second}, {time.Hour, streamEnd(Reset), 0, second},
			{time.Hour, streamEnd(SeeOtherHost), 0, second}, {time.Hour, ErrPeerClosed, 0, second}}},
		{"again and again", []event{
			{second, streamEnd(Reset), 0, second}, {second, streamEnd(Reset), 250 * ms, second}, {second, streamEnd(Reset), 250 * ms, 2 * second}}},
		{"while it shuts down, it takes nobody", []event{{0, streamEnd(SystemShutdown), 250 * ms, 500 * ms}}},
		{"the account is refused", []event{
			{0, refused, 30 * second, 60 * second}, {0, refused, 30 * second, 60 * second}, {time.Hour, streamEnd(NotAuthorized), 30 * second, 60 * second},
			{0, streamEnd(PolicyViolation), 30 * second, 60 * second}, {0, &DialError{[]*NegotiationError{refused}}, 30 * second, 60 * second}}},
		{"its address is taken", []event{{0, taken, 30 * second, 60 * second}}},
		{"it is refused for now", []event{{0, busy, 250 * ms, 500 * ms}}},
	} {
		for _, chance := range []float64{0, 1} {
			now := time.Now()
			m := newRedialer(Backoff{}, func() float64 { return chance })
			for i, e := range tc.events {
				if e.up > 0 {
					m.up(now)
					now = now.Add(e.up)
				}
				want := e.min
				if chance == 1 {
					want = e.max
				}
				if got := m.down(now, e.err); got != want {
					t.Errorf("%s, event %d (%v), chance %v: waits %v, want %v", tc.name, i, e.err, chance, got, want)
				}
			}
		}
	}
}

// However odd the settings, and however long it goes on, the waits stay within bounds.
func TestRedialerStaysWithinBounds(t *testing.T) {
	for _, b := range []Backoff{{}, {Min: 1}, {Min: time.Hour, Max: time.Second}, {Min: 1 << 61, Max: 1<<63 - 1}} {
		m := newRedialer(b, func() float64 { return 0.999999 })
		for i := range 1000 {
			if got := m.down(time.Now(), ErrBroken); got < m.Min || got > m.Max {
				t.Fatalf("%+v: wait %d is %v, want %v to %v", b, i, got, m.Min, m.Max)
			}
		}
	}
}

func TestRedialComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type try struct {
			lasts time.Duration // 0: it fails
			err   error
		}
		tries := []try{{time.Hour, ErrLost}, {0, ErrBroken}, {0, io.EOF}, {time.Hour, streamEnd(SystemShutdown)}, {time.Second, nil}}
		var told []string
		r := Redial{
			Again: func(err error) bool { return errors.Is(err, io.EOF) },
			Down: func(o Outage) {
				if o.Wait <= 0 || o.Wait > 30*time.Second {
					t.Errorf("waits %v after %v", o.Wait, o.Err)
				}
				told = append(told, fmt.Sprintf("down %d: %v", o.Tries, o.Err))
			},
			Up: func(after time.Duration) {
				if after <= 0 || after > time.Minute {
					t.Errorf("there was no session for %v", after)
				}
				told = append(told, "up")
			},
		}
		i := 0
		err := r.Run(t.Context(), func(_ context.Context, up func()) error {
			now := tries[i]
			i++
			if now.lasts > 0 {
				up()
				time.Sleep(now.lasts)
			}
			return now.err
		})
		want := []string{"down 0: xmpp: the peer does not answer", "down 1: xmpp: the connection broke", "down 2: EOF", "up", "down 0: xmpp: stream error from the peer: system-shutdown", "up"}
		if got := strings.Join(told, "\n"); err != nil || got != strings.Join(want, "\n") {
			t.Errorf("Run: %v; told:\n%s\nwant:\n%s", err, got, strings.Join(want, "\n"))
		}
	})
}

func TestRedialEnds(t *testing.T) {
	mistake := errors.New("a mistake")
	conflict := streamEnd(Conflict)
	for _, tc := range []struct {
		name    string
		persist bool
		errs    []error // of one attempt after the other
		up      []bool
		want    error
	}{
		{"the first try fails", false, []error{ErrBroken}, []bool{false}, ErrBroken},
		{"it goes on all the same", true, []error{ErrBroken, io.EOF}, []bool{false, false}, io.EOF},
		{"another session has the address", true, []error{conflict}, []bool{true}, conflict},
		{"it has it at once", true, []error{&NegotiationError{Step: StepBind, Err: conflict}}, []bool{false}, conflict},
		{"one of several servers says so", true, []error{ErrBroken, &DialError{[]*NegotiationError{{Err: ErrBroken}, {Err: conflict}}}}, []bool{true, false}, conflict},
		{"it makes no sense", false, []error{ErrBroken, mistake}, []bool{true, false}, mistake},
	} {
		synctest.Test(t, func(t *testing.T) {
			i := 0
			r := Redial{Persist: tc.persist, Again: func(error) bool { return false }}
			err := r.Run(t.Context(), func(_ context.Context, up func()) error {
				if i == len(tc.errs) {
					t.Errorf("%s: tried once more", tc.name)
					return nil
				}
				i++
				if tc.up[i-1] {
					up()
				}
				return tc.errs[i-1]
			})
			if !errors.Is(err, tc.want) || i != len(tc.errs) {
				t.Errorf("%s: Run: %v after %d tries; want %v after %d", tc.name, err, i, tc.want, len(tc.errs))
			}
			if tc.want == conflict && !strings.Contains(fmt.Sprint(err), "does not come back by itself") {
				t.Errorf("%s: Run: %v, which does not say what it means", tc.name, err)
			}
		})
	}
}

func TestRedialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tries := 0
		start := time.Now()
		err := Redial{Down: func(Outage) { cancel() }, Persist: true}.Run(ctx, func(context.Context, func()) error { tries++; return ErrBroken })
		if err != nil || tries != 1 || time.Since(start) > 0 {
			t.Errorf("Run: %v after %d tries and %v; want nil at once", err, tries, time.Since(start))
		}
	})
}
