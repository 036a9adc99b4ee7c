package xmppd

import (
	"errors"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
)

// Recheck judges the clients of all streams again, and ends the streams of those that could not log in any more: with
// reset if the certificate has expired or is revoked by now, with not-authorized if the password has changed or the
// account is no longer allowed. The server does so by itself every Config.Recheck; who reads new revocation lists, or
// sets other Passwords, calls it then.
//
// RFC 6120, Section 4.9.3.16.
func (s *Server) Recheck() {
	s.mu.RLock()
	var all []*session
	for _, acc := range s.order {
		all = append(all, acc.sessions...)
	}
	s.mu.RUnlock()
	for _, ses := range all {
		s.recheck(ses)
	}
}

func (s *Server) recheck(ses *session) {
	if peer := ses.conn.Info().Peer; peer != nil {
		if err := s.cfg.Trust.Recheck(peer, time.Now()); err != nil {
			withdrawn := audit.CredentialWithdrawn
			if refused, ok := errors.AsType[*pki.VerifyError](err); ok {
				ses.audit(refused.ID, err.Error())
				if refused.ID == audit.CertificateRevoked {
					withdrawn = audit.TLSClosedByRevocation // which IEC 62351-14 has an id for
				}
			}
			ses.audit(withdrawn, "the client's certificate is no longer valid")
			ses.conn.End(&xmpp.StreamError{Condition: xmpp.Reset})
			return
		}
	}
	switch {
	case s.cfg.Passwords != nil && !s.cfg.Passwords.Stands(ses.conn.Login()):
		ses.audit(audit.CredentialWithdrawn, "the password that the client has logged in with is no longer valid")
	case s.cfg.Allowed != nil && !s.cfg.Allowed(ses.account.jid):
		ses.audit(audit.CredentialWithdrawn, "the account is no longer allowed")
	default:
		return
	}
	ses.conn.End(&xmpp.StreamError{Condition: xmpp.NotAuthorized})
}

// watch rechecks until the server ends.
func (s *Server) watch() {
	defer s.work.Done()
	tick := time.NewTicker(s.cfg.Recheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.Recheck()
		case <-s.open.Done():
			return
		}
	}
}
