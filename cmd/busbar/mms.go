package main

import (
	"context"
	"errors"

	"busbar.example/app/site"
)

// withMMS is with for an IED that is reached by MMS over TCP. It takes a site folder only where it needs a certificate of it.
func (a *access) withMMS(ctx context.Context, do func(context.Context, *session) error) (err error) {
	target, err := site.ParseMMS(a.to)
	switch {
	case err != nil:
		return &usageError{err}
	case a.connect != "" || a.e2e.given():
		return usagef("--connect and --e2e are for IEDs that are reached over XMPP: %s is not", a.to)
	}
	party, end, err := a.mmsParty(target.TLS)
	if err != nil {
		return err
	}
	defer end()
	if a.password != "" {
		if err := party.ReadPassword(a.password); err != nil {
			return err
		}
	}
	party.Strict, party.Logger = a.strict, a.g.logger()
	limited, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	finish := a.g.tracedMMS(&party, target.Address, a.json)
	defer func() { finish(err) }()
	peer, err := site.DialMMS(limited, party, target)
	if err != nil {
		return err
	}
	return a.during(ctx, limited, peer, do)
}

// mmsParty is who asks: without TLS anybody, else the client of the site. end closes its log.
func (a *access) mmsParty(tls bool) (party site.MMSParty, end func(), err error) {
	s, err := a.g.site()
	if err != nil && !tls && a.g.dir == "" {
		return party, func() {}, nil
	}
	if err != nil {
		return party, nil, err
	}
	j, err := s.Client(a.account)
	if err != nil && (tls || a.account != "") {
		return party, nil, err
	}
	if party, err = s.MMSParty(j, tls); err != nil {
		return party, nil, err
	}
	events, err := s.Audit("client", a.g.auditFailed)
	if err != nil {
		return party, nil, err
	}
	party.Audit = events
	return party, func() { err = errors.Join(err, events.Close()) }, nil
}
