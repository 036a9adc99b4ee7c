package site

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/xmppd"
)

// S2S says how the broker deals with those of other domains; which domains these are is said under domains.
type S2S struct {
	Listen Addresses     `yaml:"listen,omitempty"` // HOST:PORT for their brokers, one or several; default: nowhere
	Queue  int           `yaml:"queue,omitempty"`  // octets that may wait for one domain; default 4194304
	Wait   time.Duration `yaml:"wait,omitempty"`   // how long something waits for a broker that is away; default 10s
	Idle   time.Duration `yaml:"idle,omitempty"`   // after which a stream that nobody uses is closed; default 10m
}

// parseS2S makes sense of what is said of other domains' brokers.
func (s *Site) parseS2S(p *broker, b Broker) error {
	for i, a := range b.S2S.Listen {
		if err := CheckAddress("listen", a); err != nil {
			return at(err, "s2s", "listen", i)
		}
	}
	if err := within(b.S2S.Queue, 64<<10, 1<<30); err != nil {
		return at(err, "s2s", "queue")
	}
	for _, d := range []struct {
		name           string
		v, least, most time.Duration
	}{{"wait", b.S2S.Wait, time.Second, 5 * time.Minute}, {"idle", b.S2S.Idle, 10 * time.Second, 24 * time.Hour}} {
		if d.v != 0 && (d.v < d.least || d.v > d.most) {
			return at(Hint(fmt.Errorf("%v is not %v to %v", d.v, d.least, d.most), "write for example 15s or 10m"), "s2s", d.name)
		}
	}
	p.s2s = b.S2S
	return nil
}

// peerDomains is who vouches for the brokers of other domains, and where these are, as busbar.yaml says at the moment. Its
// methods may be called by several goroutines.
type peerDomains struct {
	mu     sync.Mutex
	trusts map[string]*pki.Trust
	places map[string]*xmpp.Resolver
}

// replace takes what a site says.
func (d *peerDomains) replace(s *Site) error {
	trusts, places := map[string]*pki.Trust{}, map[string]*xmpp.Resolver{}
	for name, n := range s.domains {
		trust, err := s.domainTrust(name, pki.E2M)
		if err != nil {
			return err
		}
		if trust == nil {
			continue // its parties may be known, its broker is not
		}
		trusts[name] = trust
		if targets, err := Addresses(n.Connect).targets("connect"); err != nil {
			return fmt.Errorf("%s: domains: %s: %w", FileName, name, err)
		} else if len(targets) > 0 {
			places[name] = &xmpp.Resolver{Static: map[string][]xmpp.Target{name: targets}}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trusts, d.places = trusts, places
	return nil
}

// Refresh reads the revocation lists again. Where that fails those of before stay in force.
func (d *peerDomains) Refresh() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	for _, t := range d.trusts {
		err = errors.Join(err, t.Refresh())
	}
	return err
}

// Update asks the network what it has to tell.
func (d *peerDomains) Update(ctx context.Context) error {
	d.mu.Lock()
	trusts := slices.Collect(maps.Values(d.trusts))
	d.mu.Unlock()
	var err error
	for _, t := range trusts {
		err = errors.Join(err, t.Update(ctx))
	}
	return err
}

// federation is how the broker deals with other domains.
func (d *peerDomains) federation(s *Site) *xmppd.Federation {
	return &xmppd.Federation{
		Trust: func(domain string) *pki.Trust {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.trusts[domain]
		},
		Resolver: func(domain string) *xmpp.Resolver {
			d.mu.Lock()
			defer d.mu.Unlock()
			return d.places[domain]
		},
		QueueSize: s.broker.s2s.Queue, Wait: s.broker.s2s.Wait, Idle: s.broker.s2s.Idle,
	}
}

// federates reports whether there are brokers of other domains that are known.
func (s *Site) federates() bool {
	for _, d := range s.domains {
		if !d.E2M.none() {
			return true
		}
	}
	return false
}

// standsAmongServers checks that a broker's certificate will do at both ends of a stream between brokers.
func standsAmongServers(trust *pki.Trust, id *pki.Identity, domain string) error {
	now := time.Now()
	_, asServer := trust.VerifyDomain(id.Chain, domain, now)
	_, asClient := trust.VerifyDomainClient(id.Chain, domain, now)
	if err := errors.Join(asServer, asClient); err != nil {
		return Hint(fmt.Errorf("broker: own TLS certificate, for other domains' brokers: %w", err),
			"it must name the domain as dNSName or as _xmpp-server SRVName, and allow TLS servers and clients, as what `busbar init` makes does")
	}
	return nil
}
