package xmppd

import (
	"errors"
	"time"

	"busbar.example/xmpp"
)

// A link decides when there is a stream to the server of another domain. It is a pure machine; its shell is peer.run.
//
//	idle     something is to be sent                        dialing
//	dialing  the stream is set up                           up
//	         it could not be                                holding
//	holding  the pause is over, or the server shows itself  dialing, or idle where nothing is to be sent any more
//	up       not used for long, old, or no answer comes     closing
//	         ended as streams end, by the other side        idle
//	         lost, or ended as soon as it was there         holding
//	closing  it has ended                                   the same two
type link struct {
	timing
	state    linkState
	failures int       // attempts and streams in a row that have failed
	retry    time.Time // holding: until when
	since    time.Time // up: when the stream was set up
	used     time.Time // up: when something was last sent
	asked    time.Time // up: when the server was last asked for a sign of life
	heard    time.Time // up: when it last gave one, or was first sent something that it has not answered yet
	owing    bool      // up: it was asked and has not answered
	answers  bool      // it has answered once: then its silence means something
}

// timing is what a link is configured with.
type timing struct {
	idle              time.Duration // after which an unused stream is closed
	age               time.Duration // after which a stream is replaced; not positive: never
	shortest, longest time.Duration // pauses between attempts
	keepAlive         xmpp.KeepAlive
}

type linkState uint8

const (
	linkIdle linkState = iota
	linkDialing
	linkUp
	linkHolding
	linkClosing
)

func (s linkState) String() string {
	return [...]string{"idle", "connecting", "connected", "waiting", "closing"}[s]
}

// dial reports whether to open a stream now, where one is wanted.
func (l *link) dial(now time.Time, wanted bool) bool {
	switch {
	case l.state == linkHolding && now.Before(l.retry), l.state != linkHolding && l.state != linkIdle:
		return false
	case !wanted:
		l.state = linkIdle
		return false
	}
	l.state = linkDialing
	return true
}

// opened says that the stream is set up.
func (l *link) opened(now time.Time) {
	l.state = linkUp
	l.since, l.used, l.heard, l.owing = now, now, now, false
}

// failed says that it could not be set up. random is from 0 to 1.
func (l *link) failed(now time.Time, random float64) {
	l.state = linkHolding
	l.retry = now.Add(l.pause(random))
	l.failures++
}

// ended says that the stream has ended: lost, or as it should. One that was there for a moment only is no success: a server
// that takes streams and ends them is not asked all the time.
func (l *link) ended(now time.Time, lost bool, random float64) {
	lasted := now.Sub(l.since) >= l.longest
	if lasted {
		l.failures = 0
	}
	if lasted && !lost {
		l.state = linkIdle
		return
	}
	l.failed(now, random)
}

// pause returns how long to wait before the next attempt: twice as long each time, and half of it at random, so that not
// all come back at once.
func (l *link) pause(random float64) time.Duration {
	p := l.longest
	if l.failures < 16 {
		p = min(p, l.shortest<<l.failures)
	}
	return p/2 + time.Duration(random*float64(p/2))
}

// noticed says that the other server has shown that it is there: an attempt may succeed now.
func (l *link) noticed(now time.Time) {
	if l.state == linkHolding {
		l.retry = now
	}
}

// use says that something is sent.
func (l *link) use(now time.Time) { l.used = now }

// answered says that the server has answered what it was asked.
func (l *link) answered(now time.Time) {
	if l.state == linkUp {
		l.heard, l.owing, l.answers = now, false, true
	}
}

// errRetired says that a stream was closed because it was old.
var errRetired = errors.New("xmppd: the stream has reached its age")

// tick says what is due now: to ask the server for a sign of life, and to end the stream because of end. kept says that the
// stream is to stay although nobody uses it.
func (l *link) tick(now time.Time, kept bool) (ping bool, end error) {
	if l.state != linkUp {
		return false, nil
	}
	switch k := l.keepAlive; {
	case l.owing && l.answers && k.Loss > 0 && now.Sub(l.heard) >= k.Loss:
		l.state = linkClosing
		return false, xmpp.ErrLost
	case l.age > 0 && now.Sub(l.since) >= l.age:
		l.state = linkClosing
		return false, errRetired
	case !kept && now.Sub(l.used) >= l.idle:
		l.state = linkClosing
		return false, xmpp.ErrClosed
	case k.Idle > 0 && !now.Before(l.pingAt(kept)):
		if !l.owing {
			l.owing, l.heard = true, now
		}
		l.asked = now
		return true, nil
	}
	return false, nil
}

// pingAt returns when the server is to be asked next: a while after something was sent that it has not confirmed since by
// an answer, or all the time on a stream that is kept. A time far off stands for never.
func (l *link) pingAt(kept bool) time.Time {
	last := l.heard
	if l.asked.After(last) {
		last = l.asked
	}
	if !kept && !l.owing && !l.used.After(l.asked) {
		return l.used.Add(l.idle)
	}
	return last.Add(l.keepAlive.Idle)
}

// next returns when tick or dial has something to say, zero for not before something happens.
func (l *link) next(kept bool) time.Time {
	switch l.state {
	case linkHolding:
		return l.retry
	case linkUp:
	default:
		return time.Time{}
	}
	var next time.Time
	at := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if l.age > 0 {
		at(l.since.Add(l.age))
	}
	if !kept {
		at(l.used.Add(l.idle))
	}
	if l.keepAlive.Idle > 0 {
		at(l.pingAt(kept))
	}
	if l.owing && l.answers && l.keepAlive.Loss > 0 {
		at(l.heard.Add(l.keepAlive.Loss))
	}
	return next
}
