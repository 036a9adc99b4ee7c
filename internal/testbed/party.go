package testbed

import (
	"context"
	"errors"
	"sync"
	"time"

	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
)

// Party is an account that takes part, whatever the carrier: it asks others for associations, and they ask it. It is safe for
// concurrent use.
type Party struct {
	bed     *Bed
	connect func(context.Context) (carrier, error)

	mu     sync.Mutex    // held while it goes on line, or off
	on     carrier       // nil: off line
	opened chan struct{} // closed when it goes on line again
}

// carrier is a party on line.
type carrier interface {
	associate(ctx context.Context, peer string) (assoc.Link, error)
	accept(context.Context) (assoc.Link, error)
	cut()   // ends everything without a word
	close() // ends everything
}

// Party puts an account with the given roles on line, until the test ends. Peers may ask it for associations: see Accept.
func (b *Bed) Party(name string, roles ...rbac.Role) *Party {
	b.t.Helper()
	return b.join(name, true, roles)
}

func (b *Bed) join(name string, serve bool, roles []rbac.Role) *Party {
	b.t.Helper()
	by := b.byXMPP
	if b.mode.OverTCP() {
		by = b.byTCP
	}
	p := &Party{bed: b, connect: by(name, serve, roles), opened: make(chan struct{})}
	p.Open()
	b.t.Cleanup(p.Close)
	return p
}

// within is the context of what takes no time.
func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

// Open takes p on line again after Cut or Close, under the same name and certificates.
func (p *Party) Open() {
	p.bed.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := within()
	defer cancel()
	var err error
	p.on, err = p.connect(ctx)
	must(p.bed.t, err)
	close(p.opened)
}

// Cut breaks every connection of p without a word, as a network does that fails. When it returns, p is off line, and what it has
// associated is over at its end; its peers hear of that as the carrier tells them.
func (p *Party) Cut() { p.leave(carrier.cut) }

// Close takes p off line. It aborts all associations.
func (p *Party) Close() { p.leave(carrier.close) }

func (p *Party) leave(how func(carrier)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on != nil {
		how(p.on)
		p.on, p.opened = nil, make(chan struct{})
	}
}

// now is the carrier, nil while p is off line, and what is closed when it is on line again.
func (p *Party) now() (on carrier, opened <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.on, p.opened
}

// Link is the Link of a new association with the party of that name, on which nothing has been sent.
func (p *Party) Link(peer string) (assoc.Link, error) {
	on, _ := p.now()
	if on == nil {
		return nil, errors.New("this party is off line")
	}
	ctx, cancel := within()
	defer cancel()
	return on.associate(ctx, peer)
}

// Associate makes an association with the party of that name.
func (p *Party) Associate(peer string) *mmsmap.Client {
	p.bed.t.Helper()
	link, err := p.Link(peer)
	must(p.bed.t, err)
	return p.bed.AssociateLink(link)
}

// Accept waits for a peer that asks for an association; where p is off line, until it is on line again, too.
func (p *Party) Accept(ctx context.Context) (assoc.Link, error) {
	for {
		on, opened := p.now()
		if on == nil {
			select {
			case <-opened:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		link, err := on.accept(ctx)
		if err == nil || ctx.Err() != nil {
			return link, err
		}
		if still, _ := p.now(); still == on {
			return nil, err
		}
	}
}

// Associate puts an account with the given roles on line and associates it with an IED; both end with the test.
func (b *Bed) Associate(name, ied string, roles ...rbac.Role) *mmsmap.Client {
	b.t.Helper()
	return b.join(name, false, roles).Associate(ied)
}

// AssociateLink asks for an association on a Link.
func (b *Bed) AssociateLink(link assoc.Link) *mmsmap.Client {
	b.t.Helper()
	ctx, cancel := within()
	defer cancel()
	c, err := mmsmap.Associate(ctx, link, assoc.Config{})
	must(b.t, err)
	return c
}

// PeerName is the name that a client sees of a party which it has associated with: what that has proved to be, or has been called.
func (b *Bed) PeerName(name string) string {
	if b.mode == TCP {
		return host(name) + ":102"
	}
	return JID(name).Bare().String()
}
