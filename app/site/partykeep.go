package site

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"busbar.example/scsm/iso81"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
)

// A Bell asks those who are on line to look at their files at once. The zero Bell is ready; it is for any goroutine.
type Bell struct {
	mu   sync.Mutex
	next chan struct{}
}

// Ring asks all that listen at the moment.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// listen returns what the next Ring closes. A nil Bell never rings.
func (b *Bell) listen() <-chan struct{} {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

// Refresh reads the anchors and lists again. Where that fails those of before stay in force.
func (t *endTrust) Refresh() error {
	return t.each(func(_ string, trust *pki.Trust) error { return trust.Refresh() })
}

// Update asks the network.
func (t *endTrust) Update(ctx context.Context) error {
	return t.each(func(_ string, trust *pki.Trust) error { return trust.Update(ctx) })
}

// each does something with the trust of each domain that has one; the own is of "".
func (t *endTrust) each(do func(domain string, trust *pki.Trust) error) error {
	err := do("", t.own)
	for name, d := range t.domains {
		if d.Trust != nil {
			err = errors.Join(err, do(name, d.Trust))
		}
	}
	return err
}

// partySession is a session of a party, and what it goes by.
type partySession struct {
	site     *Site
	party    Party
	endpoint *xmpp82.Endpoint
	wire     *pki.Trust    // the broker's
	tls      *pki.Identity // nil where it logs in with a password
	end      *endTrust     // its peers'

	protected bool // end-to-end security is on
}

// keep keeps what the session goes by up to date, until the session ends.
func (k *partySession) keep() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-k.endpoint.Session().Done()
		cancel()
	}()
	u := upkeep{every: k.party.refresh, log: cmp.Or(k.party.Logger, silent), events: k.party.Audit,
		lists: []refresher{k.wire, k.end}, recheck: k.endpoint.Recheck, terms: k.terms,
		prompt: k.party.serves, bell: k.party.Bell, reload: k.reload}
	if u.events == nil {
		u.events = audit.Discard
	}
	if k.tls != nil {
		u.staple = func(ctx context.Context, now time.Time) error { return k.wire.Staple(ctx, k.tls, now) }
	}
	u.files.follow(k.site.partyFiles(k.party), time.Now())
	u.run(ctx)
}

// terms are those of its own certificates, and of the lists and anchors in files.
func (k *partySession) terms() []pki.Term {
	terms := slices.Concat(k.wire.Terms(), k.end.own.Terms())
	for _, name := range []string{"tls", "e2e"} {
		if id, err := k.site.identity(k.party.JID, name); err == nil {
			terms = append(terms, id.Terms()...)
		}
	}
	return terms
}

// partyFiles are the files that a party goes by.
func (s *Site) partyFiles(p Party) []string {
	files := []string{s.Path(FileName)}
	for _, h := range []pki.Hierarchy{pki.E2M, pki.E2E} {
		files = append(files, sourceFiles(s.trustSources(h))...)
	}
	for _, d := range s.domains {
		files = append(files, sourceFiles(s.sources(d.E2E.Anchors))...)
	}
	for _, name := range []string{"tls", "e2e"} {
		files = append(files, s.partyFile(p.JID, name, "crt"), s.partyFile(p.JID, name, "key"))
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// reload reads everything again and, where all of it can be used, goes by it: trust at once, the end-to-end key in the next
// association, the key for TLS and all else in the next session.
func (k *partySession) reload() error {
	next, err := Open(k.site.Dir)
	if err != nil {
		return err
	}
	wire, err := next.trust(pki.E2M)
	if err != nil {
		return err
	}
	end, err := next.endTrust()
	if err != nil {
		return err
	}
	if k.tls != nil {
		id, err := next.identity(k.party.JID, "tls")
		if err != nil {
			return err
		}
		if err := checkOwn(k.party, "TLS", id, wire.VerifyClient); err != nil {
			return err
		}
		if !id.Chain[0].Equal(k.tls.Chain[0]) {
			k.tls = id
			k.endpoint.Session().Renew(id)
		}
	}
	how, err := next.E2E(k.party.E2E)
	if err != nil {
		return err
	}
	if how.Mode != Off && k.protected {
		id, err := next.identity(k.party.JID, "e2e")
		if err != nil {
			return err
		}
		if err := checkOwn(k.party, "E2E", id, end.own.VerifyE2E); err != nil {
			return err
		}
		if err := k.endpoint.Renew(id); err != nil {
			return err
		}
	}
	k.site = next
	// All of these were read a moment ago without a fault.
	return errors.Join(k.wire.Reload(next.trustSources(pki.E2M)), k.end.each(func(domain string, trust *pki.Trust) error {
		if domain == "" {
			return trust.Reload(next.trustSources(pki.E2E))
		}
		d, still := next.domains[domain]
		if !still || d.E2E.none() {
			return nil // it is gone with the next session
		}
		return trust.Reload(next.sources(d.E2E.Anchors))
	}))
}

// keepListener keeps what a listener for MMS over TCP goes by up to date, until ctx ends.
func (d *servedIED) keepListener(ctx context.Context, l *iso81.Listener, trust *pki.Trust, id *pki.Identity) {
	site := d.site
	u := upkeep{every: d.Refresh, log: d.Logger, events: d.Audit, lists: []refresher{trust}, recheck: l.Recheck, prompt: true, bell: d.Bell}
	files := func() []string {
		src, err := site.mmsSources()
		if err != nil {
			return nil // said when it is read
		}
		return append(sourceFiles(src), site.Path(FileName), site.partyFile(d.JID, "mms", "crt"), site.partyFile(d.JID, "mms", "key"))
	}
	u.terms = trust.Terms
	if id != nil {
		u.terms = func() []pki.Term { return append(trust.Terms(), id.Terms()...) }
		u.staple = func(ctx context.Context, now time.Time) error { return trust.Staple(ctx, id, now) }
	}
	u.reload = func() error {
		next, err := Open(site.Dir)
		if err != nil {
			return err
		}
		src, err := next.mmsSources()
		if err != nil {
			return err
		}
		if id != nil {
			renewed, err := next.mmsIdentity(d.JID)
			if err != nil {
				return err
			}
			id = renewed
			l.Renew(id)
		}
		site = next
		return trust.Reload(src)
	}
	u.files.follow(files(), time.Now())
	u.run(ctx)
}
