package xmpp82

import (
	"net"
	"time"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// enter gives an association that this end asks for its half of an id. e.mu is held.
func (e *Endpoint) enter(a *Association) error { return e.enterBy(a, e.ids.take) }

func (e *Endpoint) enterBy(a *Association, take func(jid.JID, time.Time, func(string) bool) (string, error)) error {
	half, err := take(a.peer, e.cfg.Now(), func(half string) bool {
		_, taken := e.links[linkKey{a.peer, half}]
		return !taken
	})
	if err != nil {
		return err
	}
	a.half, a.key = half, linkKey{a.peer, half}
	e.links[a.key] = a
	return nil
}

// joinWindow gives an association the window towards its peer's account. e.mu is held.
func (e *Endpoint) joinWindow(a *Association) {
	account := a.peer.Bare()
	if a.window = e.windows[account]; a.window == nil {
		a.window = new(window)
		e.windows[account] = a.window
	}
	a.window.users++
}

// reenter gives an association whose half the peer has refused, as used before, another one.
func (e *Endpoint) reenter(a *Association) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.links[a.key] != a {
		return net.ErrClosed
	}
	delete(e.links, a.key)
	e.ids.release(a.peer, a.half, e.cfg.Now())
	if err := e.enterBy(a, e.ids.retake); err != nil {
		e.links[a.key] = a
		return err
	}
	return nil
}

// takeOffer counts a handshake as no longer waiting, and reports whether there is room for its association.
func (e *Endpoint) takeOffer(peer jid.JID) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	account := peer.Bare()
	if e.awaiting[account]--; e.awaiting[account] <= 0 {
		delete(e.awaiting, account)
	}
	return e.roomy()
}

// roomy reports whether another association has room. What is half-open takes no place from those that
// stand: whoever asked has not proved yet to be there. e.mu is held.
func (e *Endpoint) roomy() bool {
	return e.standing < e.cfg.MaxAssociations && e.halfOpen < e.cfg.MaxAssociations+acceptQueue
}

// admit enters an association whose handshake security has accepted under the client's half of the id and
// one of ours. Where there is no room for it, it says so with a condition.
func (e *Endpoint) admit(a *Association, client string) stanza.Condition {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return stanza.ServiceUnavailable
	}
	if !e.roomy() || e.halfOpenOf(a.peer.Bare()) >= halfOpenPerPeer {
		return stanza.ResourceConstraint
	}
	half, err := e.ids.answer(a.peer, e.cfg.Now(), func(half string) bool {
		_, taken := e.links[linkKey{a.peer, client + ":" + half}]
		return !taken
	})
	if err != nil {
		e.log.Warn("no association id left", "peer", a.peer.String())
		return stanza.ResourceConstraint
	}
	a.half, a.id = half, client+":"+half
	a.key = linkKey{a.peer, a.id}
	e.links[a.key] = a
	e.joinWindow(a)
	e.halfOpen++
	return ""
}

// halfOpenOf counts the associations that an account has asked for and not confirmed. e.mu is held.
func (e *Endpoint) halfOpenOf(account jid.JID) (n int) {
	for key, a := range e.links {
		if a.inbound && !a.stands && key.peer.Bare() == account {
			n++
		}
	}
	return n
}

// confirm moves an association, whose peer has proved to hold its keys, from those that are half-open to
// those that stand, if there is room.
func (e *Endpoint) confirm(a *Association) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.links[a.key] != a || e.standing >= e.cfg.MaxAssociations {
		return false
	}
	e.halfOpen--
	e.standing++
	a.stands = true
	return true
}

// forget takes an association that has ended out of the tables.
func (e *Endpoint) forget(a *Association) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.links[a.key] == a {
		delete(e.links, a.key)
	}
	e.ids.release(a.peer, a.half, e.cfg.Now())
	if a.window.users--; a.window.users == 0 {
		delete(e.windows, a.peer.Bare())
	}
	switch {
	case a.stands:
		e.standing--
	case a.inbound:
		e.halfOpen--
	}
}

// route has what the server sends under both halves of the id reach its association from the server's
// answer on, though that has not been read yet. Whether the answer is genuine shows when it is.
func (e *Endpoint) route(a *Association, id string) {
	client, both := clientHalf(id)
	if !both || client != a.half {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	key := linkKey{a.peer, id}
	if e.links[a.key] != a || e.links[key] != nil {
		return
	}
	delete(e.links, a.key)
	a.key = key
	e.links[key] = a
}

// routed reports whether route has given an association that id.
func (e *Endpoint) routed(a *Association, id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return a.key == linkKey{a.peer, id}
}
