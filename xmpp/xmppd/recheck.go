package xmppd

import (
	"errors"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
)

// Recheck judges the clients of all streams again, and the servers of other domains, and ends the streams of those that
// could not log in any more: with reset if the certificate has expired or is revoked by now or the stream is older than
// Live.MaxAge, with not-authorized if the password has changed or the account, or domain, is no longer allowed. The server does so by itself every Config.Recheck; who reads new revocation lists, or
// sets other Passwords, calls it then.
//
// RFC 6120, Section 4.9.3.16.
func (s *Server) Recheck() {
	for _, ses := range s.sessions() {
		s.recheck(ses)
	}
	s.recheckPeers()
}

func (s *Server) recheck(ses *session) {
	if s.retire(ses, time.Now()) {
		return
	}
	c := ses.stream()
	if peer := c.Info().Peer; peer != nil {
		if err := s.cfg.Trust.Recheck(peer, time.Now()); err != nil {
			withdrawn := audit.CredentialWithdrawn
			if refused, ok := errors.AsType[*pki.VerifyError](err); ok {
				ses.audit(refused.ID, err.Error())
				if refused.ID == audit.CertificateRevoked {
					withdrawn = audit.TLSClosedByRevocation // which IEC 62351-14 has an id for
				}
			}
			ses.audit(withdrawn, "the client's certificate is no longer valid")
			s.end(ses, &xmpp.StreamError{Condition: xmpp.Reset})
			return
		}
	}
	allowed := s.set.Load().Allowed
	switch {
	case s.cfg.Passwords != nil && !s.cfg.Passwords.Stands(c.Login()):
		ses.audit(audit.CredentialWithdrawn, "the password that the client has logged in with is no longer valid")
	case allowed != nil && !allowed(ses.account.jid):
		ses.audit(audit.CredentialWithdrawn, "the account is no longer allowed")
	default:
		return
	}
	s.end(ses, &xmpp.StreamError{Condition: xmpp.NotAuthorized})
}

// retire ends the connection of a session that has become too old, and reports whether there is nothing left to judge. The
// client may resume the session over another one, for which it has to show its certificate again.
func (s *Server) retire(ses *session, now time.Time) bool {
	longest := s.set.Load().MaxAge
	c := ses.stream()
	if c.Err() != nil {
		return c.Resumable() == 0
	}
	if longest < 0 || now.Sub(ses.since) < longest-time.Duration(ses.early*float64(longest)) {
		return false
	}
	ses.audit(audit.StreamRetired, "the stream has reached its age: the client has to show its certificate again")
	c.End(xmpp.ErrAged)
	return true
}

// ageCheck is how often the age of streams is looked at.
const ageCheck = time.Minute

// watch rechecks until the server ends.
func (s *Server) watch() {
	defer s.work.Done()
	recheck, age := time.NewTicker(s.cfg.Recheck), time.NewTicker(ageCheck)
	defer recheck.Stop()
	defer age.Stop()
	for {
		select {
		case <-recheck.C:
			s.Recheck()
		case now := <-age.C:
			for _, ses := range s.sessions() {
				s.retire(ses, now)
			}
			s.retireIncoming(now)
		case <-s.open.Done():
			return
		}
	}
}

// sessions returns the sessions of this moment.
func (s *Server) sessions() []*session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*session
	for _, acc := range s.order {
		all = append(all, acc.sessions...)
	}
	return all
}
