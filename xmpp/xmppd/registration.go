package xmppd

import (
	"slices"

	"busbar.example/internal/xmltok"
	"busbar.example/secure/audit"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

const nsRegister = "jabber:iq:register"

// registrar returns what takes new accounts, nil where there are none.
func (s *Server) registrar() func(jid.JID, string) error {
	if s.cfg.Registrations <= 0 {
		return nil
	}
	return s.register
}

// register makes an account for a client that has none.
//
// XEP-0077, Section 3.1.
func (s *Server) register(account jid.JID, password string) error {
	s.registering.Lock()
	defer s.registering.Unlock()
	s.mu.RLock()
	taken := s.exists(account)
	s.mu.RUnlock()
	allowed := s.set.Load().Allowed
	switch {
	case taken:
		return stanza.NewError(stanza.Conflict, "")
	case allowed != nil && !allowed(account):
		return stanza.NewError(stanza.Forbidden, "")
	case s.cfg.Passwords.Len() >= s.cfg.Registrations:
		return stanza.NewError(stanza.ResourceConstraint, "there are as many accounts as there may be")
	}
	if err := s.cfg.Passwords.Register(account, password); err != nil {
		return stanza.NewError(stanza.NotAcceptable, err.Error())
	}
	return nil
}

// getRegistration says that the one who asks has an account.
//
// XEP-0077, Section 3.1.
func getRegistration(_ *Server, from sender, r request) {
	b := xmltok.AppendEscaped([]byte("<query xmlns='"+nsRegister+"'><registered/><username>"), r.From.Local())
	from.reply(r.Reply(append(b, "</username><password/></query>"...)))
}

// setRegistration changes the password of the one who asks, or removes the account.
//
// XEP-0077, Sections 3.2 and 3.3.
func setRegistration(s *Server, from sender, r request) {
	me := r.From.Bare()
	fields := fieldsOf(r.Payload)
	password, change := fields["password"]
	_, remove := fields["remove"]
	name, err := jid.New(fields["username"], s.cfg.Domain, "")
	switch {
	case !s.cfg.Passwords.Registered(me):
		refuse(from, r.Stanza, stanza.NewError(stanza.NotAllowed, "this account is configured at the server"))
	case remove && len(fields) == 1:
		from.reply(r.Reply(nil))
		s.removeAccount(me)
	case remove || !change || err != nil || password == "":
		refuse(from, r.Stanza, stanza.NewError(stanza.BadRequest, "username and password, or remove alone"))
	case name != me:
		refuse(from, r.Stanza, stanza.NewError(stanza.NotAllowed, "this is another account's name"))
	default:
		if err := s.cfg.Passwords.Register(me, password); err != nil {
			refuse(from, r.Stanza, stanza.NewError(stanza.NotAcceptable, err.Error()))
			return
		}
		from.reply(r.Reply(nil))
	}
}

// removeAccount ends an account, what it has agreed with others, and its streams.
func (s *Server) removeAccount(bare jid.JID) {
	s.cfg.Passwords.Remove(bare)
	s.mu.Lock()
	defer s.unlock()
	if b := s.books[bare]; b != nil {
		for contact, e := range b.entries {
			s.part(bare, contact, e.sub)
		}
		delete(s.books, bare)
	}
	acc := s.accounts[bare]
	if acc == nil {
		return
	}
	for _, ses := range slices.Clone(acc.sessions) {
		s.note(ses.event(audit.AccountRemoved, "removed by its client"))
		s.remove(ses)
		ses.stream().End(&xmpp.StreamError{Condition: xmpp.NotAuthorized})
	}
	delete(s.accounts, bare)
	s.order = slices.DeleteFunc(s.order, func(a *account) bool { return a == acc })
}

// fieldsOf returns the text of each child of a request's one element, by name.
func fieldsOf(payload []byte) map[string]string {
	fields := map[string]string{}
	sc := xmltok.NewBytesScanner(payload, xmltok.Limits{})
	sc.SetDefaultNamespace(stanza.Namespace)
	field := ""
	for {
		t, err := sc.Next()
		if err != nil {
			return fields
		}
		switch {
		case t.Kind == xmltok.Start && sc.Depth() == 2 && t.Name.Space == nsRegister:
			field = t.Name.Local
			fields[field] = ""
		case t.Kind == xmltok.Text && field != "" && sc.Depth() == 2:
			fields[field] += string(t.Data)
		case t.Kind == xmltok.End && sc.Depth() < 2:
			field = ""
		}
	}
}
