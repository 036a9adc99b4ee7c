package xmppd

import (
	"math/rand/v2"
	"testing"
	"time"

	"busbar.example/xmpp"
)

func newTestLink() *link {
	return &link{timing: timing{idle: 10 * time.Minute, age: 10 * time.Hour, shortest: 500 * time.Millisecond, longest: 30 * time.Second,
		keepAlive: xmpp.KeepAlive{Idle: 8 * time.Second, Loss: 20 * time.Second}}}
}

func TestLinkPauses(t *testing.T) {
	l, now := newTestLink(), time.Unix(0, 0)
	var last time.Duration
	for i := range 40 {
		if !l.dial(now, true) || l.state != linkDialing {
			t.Fatalf("attempt %d: state %v", i, l.state)
		}
		l.failed(now, 1)
		pause := l.retry.Sub(now)
		if want := min(500*time.Millisecond<<min(i, 10), 30*time.Second); pause != want {
			t.Errorf("pause %d is %v, want %v", i, pause, want)
		}
		if l.dial(l.retry.Add(-1), true) {
			t.Errorf("attempt %d begins too early", i+1)
		}
		l.failed(now, 0) // as if it had failed again, with the least of chance
		l.failures--
		if low := l.retry.Sub(now); low < last/2 {
			t.Errorf("pause %d is %v at least, less than half of %v", i, low, last)
		}
		last, now = pause, l.retry.Add(pause)
	}
	l.noticed(now)
	if l.retry = now; !l.dial(now, true) {
		t.Error("no attempt although the other server has shown itself")
	}
	l.opened(now)
	l.ended(now.Add(time.Second), false, 1)
	if pause := l.retry.Sub(now); l.state != linkHolding || pause < 30*time.Second {
		t.Errorf("a stream that ends after a second leads to state %v, and a pause of %v", l.state, pause)
	}
	l.dial(l.retry, true)
	l.opened(now)
	now = now.Add(time.Hour)
	if l.ended(now, true, 1); l.failures != 1 || l.retry.Sub(now) != 500*time.Millisecond {
		t.Errorf("a stream that is lost after an hour counts for %d failures, pause %v", l.failures, l.retry.Sub(now))
	}
}

func TestLinkGivesUpWhatNobodyWants(t *testing.T) {
	l, now := newTestLink(), time.Unix(0, 0)
	l.dial(now, true)
	l.failed(now, 0.5)
	if l.dial(l.retry, false) || l.state != linkIdle || !l.next(false).IsZero() {
		t.Errorf("state %v, next %v: want idle, and nothing to come", l.state, l.next(false))
	}
}

// Whatever happens, and whenever it is looked at: time does not stand still where the link has something to do, and nothing
// is due before next says so.
func TestLinkIsDueWhenItSaysSo(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		l, now := newTestLink(), time.Unix(0, 0)
		if random.IntN(2) == 0 {
			l.age = 0
		}
		for range 200 {
			kept, wanted := random.IntN(2) == 0, random.IntN(2) == 0
			if next := l.next(kept); !next.IsZero() && next.After(now) {
				before := next.Add(-1)
				if ping, end := l.tick(before, kept); ping || end != nil {
					t.Fatalf("seed %d: %v before it says so: ping %v, end %v", seed, next.Sub(before), ping, end)
				}
				now = next
			}
			if l.dial(now, wanted) {
				switch random.IntN(3) {
				case 0:
					l.failed(now, random.Float64())
				default:
					l.opened(now)
				}
			}
			if random.IntN(3) == 0 && l.state == linkUp {
				l.use(now)
			}
			_, end := l.tick(now, kept)
			switch {
			case end != nil:
				if ping, again := l.tick(now, kept); ping || again != nil || l.state != linkClosing {
					t.Fatalf("seed %d: a link that ends has more to do: %v %v in state %v", seed, ping, again, l.state)
				}
				l.ended(now, end == xmpp.ErrLost, random.Float64())
			case random.IntN(3) == 0:
				l.answered(now)
			case random.IntN(20) == 0 && l.state == linkUp:
				l.ended(now, true, random.Float64())
			}
			if next := l.next(kept); !next.IsZero() && l.state == linkUp && !next.After(now) {
				t.Fatalf("seed %d: it is due at %v, which is not after %v", seed, next, now)
			}
		}
	}
}
