package xmppd

import "busbar.example/xmpp/stanza"

// subscription is how an account and one of its contacts stand to each other, as the account's roster has it.
//
// RFC 6121, Section 3 and Appendix A: of the states there, None is 0, Both is shownTo|sees, and Pending Out and Pending
// In are asked and asking.
type subscription uint8

const (
	sees     subscription = 1 << iota // the account has the contact's presence: "to"
	shownTo                           // the contact has the account's presence: "from"
	asked                             // the account has asked for sees, without an answer
	asking                            // the contact has asked for shownTo, without an answer
	approved                          // the account has agreed before the contact asks

	gone // in pushes alone: it is no longer in the roster
)

func (s subscription) has(bits subscription) bool { return s&bits == bits }

// String returns the value of the roster's subscription attribute.
//
// RFC 6121, Section 2.1.2.5.
func (s subscription) String() string {
	return [...]string{"none", "to", "from", "both"}[s&(sees|shownTo)]
}

// send returns what becomes of a subscription when its account sends such a presence to the contact, and whether that
// goes on to the contact.
//
// RFC 6121, Appendix A.2, and Section 3.4 for approval in advance.
func (s subscription) send(t stanza.Type) (next subscription, route bool) {
	switch t {
	case stanza.Subscribe:
		if !s.has(sees) {
			s |= asked
		}
		return s, true
	case stanza.Unsubscribe:
		return s &^ (sees | asked), true
	case stanza.Subscribed:
		switch {
		case s.has(asking):
			return s&^asking | shownTo, true
		case !s.has(shownTo):
			s |= approved
		}
		return s, false
	case stanza.Unsubscribed:
		return s &^ (shownTo | asking | approved), s&(shownTo|asking) != 0
	}
	return s, false
}

// receive returns what becomes of a subscription when the contact's presence of such a type comes to the account, whether
// the account's clients get to see it, and what is answered in the account's name, if anything.
//
// RFC 6121, Appendix A.3, and Section 3.4 for approval in advance.
func (s subscription) receive(t stanza.Type) (next subscription, deliver bool, answer stanza.Type) {
	switch t {
	case stanza.Subscribe:
		switch {
		case s&(shownTo|approved) != 0:
			return s&^asking | shownTo, false, stanza.Subscribed
		case s.has(asking):
			return s, false, ""
		}
		return s | asking, true, ""
	case stanza.Unsubscribe:
		return s &^ (shownTo | asking), s&(shownTo|asking) != 0, ""
	case stanza.Subscribed:
		if s.has(asked) {
			return s&^asked | sees, true, ""
		}
	case stanza.Unsubscribed:
		return s &^ (sees | asked), s&(sees|asked) != 0, ""
	}
	return s, false, ""
}
