package xmppd

import (
	"errors"
	"slices"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
)

// recheckPeers judges the servers of other domains again, on the streams of both directions, and ends the streams of those
// whose certificate has expired or is revoked by now, and of those with whom there are to be no dealings any more.
func (s *Server) recheckPeers() {
	for _, p := range s.fed.all() {
		ours, theirs := p.streams()
		if ours != nil {
			p.recheck(ours)
		}
		for _, in := range theirs {
			p.recheck(in.conn)
		}
	}
}

// streams returns the stream to the other domain, nil if there is none, and those that come from it.
func (p *peer) streams() (*xmpp.Conn, []*incoming) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conn, slices.Clone(p.incoming)
}

func (p *peer) recheck(c *xmpp.Conn) {
	record := p.server.cfg.Audit.Record
	trust := p.server.fed.Trust(p.jid.Domain())
	if trust == nil {
		record(p.event(audit.CredentialWithdrawn, "there are no dealings with this domain any more"))
		c.End(&xmpp.StreamError{Condition: xmpp.NotAuthorized})
		return
	}
	err := trust.Recheck(c.Info().Peer, time.Now())
	if err == nil {
		return
	}
	withdrawn := audit.CredentialWithdrawn
	if refused, ok := errors.AsType[*pki.VerifyError](err); ok {
		record(p.event(refused.ID, err.Error()))
		if refused.ID == audit.CertificateRevoked {
			withdrawn = audit.TLSClosedByRevocation
		}
	}
	record(p.event(withdrawn, "the server's certificate is no longer valid"))
	c.End(&xmpp.StreamError{Condition: xmpp.Reset})
}

// retireIncoming ends the streams of other domains that have become too old. Their servers know best when to replace them,
// and ours does so before: this is for those that do not.
func (s *Server) retireIncoming(now time.Time) {
	longest := s.set.Load().MaxAge
	if longest < 0 {
		return
	}
	for _, p := range s.fed.all() {
		_, theirs := p.streams()
		for _, in := range theirs {
			if now.Sub(in.since) >= longest && in.conn.Err() == nil {
				in.audit(audit.StreamRetired, "the stream has reached its age: the server has to show its certificate again")
				in.conn.End(&xmpp.StreamError{Condition: xmpp.Reset})
			}
		}
	}
}

// retireAfter returns the age at which our stream to the other domain is replaced: before the other side has to end it, and
// not when all other streams are. Not positive: never.
func (p *peer) retireAfter() time.Duration {
	longest := p.server.set.Load().MaxAge
	return longest - time.Duration((0.12+0.08*p.early)*float64(longest))
}
