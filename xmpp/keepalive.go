package xmpp

import (
	"time"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// keepAlive decides when a silent peer is pinged and when it is lost, and when we have
// been silent for so long that the peer has to hear something. It is a pure machine;
// whatever the peer sends counts as a sign of life.
//
//	         silence ≥ Idle            silence ≥ Loss
//	heard ───────────────────▶ asked ─────────────────▶ lost
//	  ▲                          │  ▲  another Idle: asked again
//	  └───────── any octet ──────┘
type keepAlive struct {
	KeepAlive
	quiet time.Duration // how long we may be silent; 0 for as long as we like
	heard time.Time     // when the peer last sent something
	asked time.Time     // when it was last asked since then, or zero
	idle  bool          // nothing has come since then for so long that nothing may come for longer
}

// restAfter is the silence after which a connection gives back what it does not need
// to wait.
const restAfter = time.Second

func newKeepAlive(k KeepAlive, now time.Time) keepAlive {
	return keepAlive{KeepAlive: k, heard: now}
}

// hear notes a sign of life. It reports whether it ends a silence, so that next is
// sooner than it was.
func (k *keepAlive) hear(now time.Time) (sooner bool) {
	sooner = k.idle
	k.heard, k.asked, k.idle = now, time.Time{}, false
	return sooner
}

// rest reports whether it is time to rest at now, once in a silence.
func (k *keepAlive) rest(now time.Time) bool {
	if k.idle || now.Sub(k.heard) < restAfter {
		return false
	}
	k.idle = true
	return true
}

// tick says what is due at now.
func (k *keepAlive) tick(now time.Time) (ping, lost bool) {
	if k.Loss > 0 && now.Sub(k.heard) >= k.Loss {
		return false, true
	}
	last := k.heard
	if !k.asked.IsZero() {
		last = k.asked
	}
	if k.Idle > 0 && now.Sub(last) >= k.Idle {
		k.asked = now
		return true, false
	}
	return false, false
}

// speak reports whether something has to be sent at now, when the last was sent at spoke.
func (k *keepAlive) speak(now, spoke time.Time) bool {
	return k.quiet > 0 && now.Sub(spoke) >= k.quiet
}

// nextSince is next with regard to when something was sent last, and to resting.
func (k *keepAlive) nextSince(spoke time.Time) time.Time {
	next := k.next()
	if due := spoke.Add(k.quiet); k.quiet > 0 && (next.IsZero() || due.Before(next)) {
		next = due
	}
	if due := k.heard.Add(restAfter); !k.idle && (next.IsZero() || due.Before(next)) {
		next = due
	}
	return next
}

// next returns when tick has something to say, zero for never.
func (k *keepAlive) next() time.Time {
	var next time.Time
	if k.Idle > 0 {
		next = k.heard.Add(k.Idle)
		if !k.asked.IsZero() {
			next = k.asked.Add(k.Idle)
		}
	}
	if k.Loss > 0 {
		if lost := k.heard.Add(k.Loss); next.IsZero() || lost.Before(next) {
			next = lost
		}
	}
	return next
}

// pingRequest asks to for a sign of life.
//
// XEP-0199, Section 4.
func pingRequest(to jid.JID, id string) stanza.Stanza {
	return stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: id, To: to, Payload: []byte("<ping xmlns='" + nsPing + "'/>")}
}

// domainOf returns the address of the server of j.
func domainOf(j jid.JID) jid.JID {
	server, err := jid.New("", j.Domain(), "")
	if err != nil {
		panic("xmpp: the domain of an address is an address: " + err.Error())
	}
	return server
}
