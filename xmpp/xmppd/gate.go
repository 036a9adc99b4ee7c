package xmppd

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// gate counts connections, so that one address cannot take all of them.
type gate struct {
	limits         Limits
	mu             sync.Mutex
	total, pending int
	taken          uint64 // connections so far
	turned         uint64 // those that were not
	full           bool   // it was reported that there are all that may be; until half of them have gone
	from           map[string]*source
}

// source is what connects from one IPv4 address or IPv6 /64.
type source struct {
	total, pending int
	reported       bool // that it was refused; until its last connection has gone
}

// seat is one admitted connection.
type seat struct {
	gate    *gate
	key     string
	pending bool
}

func newGate(l Limits) gate { return gate{limits: l, from: map[string]*source{}} }

// setLimits replaces the limits. Who is there stays.
func (g *gate) setLimits(l Limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limits = l
}

// stats fills in what a gate knows.
func (g *gate) stats(st *Stats) {
	g.mu.Lock()
	defer g.mu.Unlock()
	st.Connections, st.Negotiating, st.Connected, st.TurnedAway = g.total, g.pending, g.taken, g.turned
}

// admit counts a new connection. If a limit is reached it returns nil, and why; the reason is empty where it has been
// given before and not much has changed since: a flood must not flood the audit log too.
func (g *gate) admit(addr net.Addr) (*seat, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, why := g.seat(sourceOf(addr))
	if t == nil {
		g.turned++
	} else {
		g.taken++
	}
	return t, why
}

// seat is admit for who holds g.mu.
func (g *gate) seat(key string) (*seat, string) {
	if g.total >= g.limits.Connections {
		if g.full {
			return nil, ""
		}
		g.full = true
		return nil, fmt.Sprintf("%d connections are open", g.total)
	}
	src := g.from[key]
	if src == nil {
		src = &source{}
		g.from[key] = src
	}
	var why string
	switch {
	case src.total >= g.limits.ConnectionsPerAddress:
		why = fmt.Sprintf("%d connections from this address", src.total)
	case src.pending >= g.limits.UnauthenticatedPerAddress:
		why = fmt.Sprintf("%d unauthenticated connections from this address", src.pending)
	}
	if why != "" {
		if src.reported {
			why = ""
		}
		src.reported = true
		return nil, why
	}
	g.total++
	g.pending++
	src.total++
	src.pending++
	return &seat{gate: g, key: key, pending: true}, ""
}

// authenticated says that the connection no longer counts as unauthenticated.
func (t *seat) authenticated() {
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	t.pending = false
	t.gate.pending--
	t.gate.from[t.key].pending--
}

// leave counts the connection no longer.
func (t *seat) leave() {
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	src := g.from[t.key]
	g.total--
	if g.total <= g.limits.Connections/2 {
		g.full = false
	}
	src.total--
	if t.pending {
		g.pending--
		src.pending--
	}
	if src.total == 0 {
		delete(g.from, t.key)
	}
}

// sourceOf returns what connections from addr are counted under.
func sourceOf(addr net.Addr) string {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return addr.String()
	}
	a := ap.Addr().Unmap()
	if a.Is4() {
		return a.String()
	}
	return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
}
