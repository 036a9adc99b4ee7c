package xmppd

import (
	"io"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/stanza"
)

// What a server answers itself, besides the roster.
const (
	nsPing       = "urn:xmpp:ping"
	nsDiscoInfo  = "http://jabber.org/protocol/disco#info"
	nsDiscoItems = "http://jabber.org/protocol/disco#items"
)

// serve answers an iq for the server or for the session's own account.
//
// RFC 6120, Section 8.2.3; RFC 6121, Section 8.5.1; XEP-0030; XEP-0199.
func (ses *session) serve(st stanza.Stanza) {
	if st.Type != stanza.Get && st.Type != stanza.Set {
		return
	}
	name, node, ok := onlyChild(st.Payload)
	if !ok {
		ses.refuse(st, stanza.NewError(stanza.BadRequest, "a request has one child element"))
		return
	}
	forServer := st.To == ses.server.domain
	get := st.Type == stanza.Get
	switch {
	case name == xmltok.Name{Space: nsRoster, Local: "query"} && !forServer:
		if get {
			ses.server.sendRoster(ses, st)
		} else {
			ses.refuse(st, stanza.NewError(stanza.NotAllowed, "the roster is configured at the server"))
		}
	case name == xmltok.Name{Space: nsPing, Local: "ping"} && get:
		ses.reply(st.Reply(nil))
	case name == xmltok.Name{Space: nsDiscoInfo, Local: "query"} && get && node == "":
		ses.reply(st.Reply(discoInfo(forServer)))
	case name == xmltok.Name{Space: nsDiscoItems, Local: "query"} && get && node == "":
		ses.reply(st.Reply([]byte("<query xmlns='" + nsDiscoItems + "'/>")))
	case name.Space == nsDiscoInfo, name.Space == nsDiscoItems:
		ses.refuse(st, stanza.NewError(stanza.ItemNotFound, ""))
	default:
		ses.refuse(st, errUnavailable)
	}
}

// discoInfo says what the server, or an account on it, is and does.
func discoInfo(server bool) []byte {
	identity := "<identity category='account' type='registered'/>"
	if server {
		identity = "<identity category='server' type='im' name='Busbar'/>"
	}
	b := []byte("<query xmlns='" + nsDiscoInfo + "'>" + identity)
	for _, f := range []string{nsDiscoInfo, nsDiscoItems, nsRoster, nsPing} {
		b = append(b, "<feature var='"+f+"'/>"...)
	}
	return append(b, "</query>"...)
}

// onlyChild returns the name and the node attribute of a payload's one child element; ok is false if it has none or
// several.
func onlyChild(payload []byte) (name xmltok.Name, node string, ok bool) {
	sc := xmltok.NewBytesScanner(payload, xmltok.Limits{})
	sc.SetDefaultNamespace(stanza.Namespace)
	for {
		t, err := sc.Next()
		if err == io.EOF {
			return name, node, ok
		}
		if err != nil || ok && t.Kind == xmltok.Start && sc.Depth() == 1 {
			return xmltok.Name{}, "", false
		}
		if t.Kind == xmltok.Start && sc.Depth() == 1 {
			v, _ := t.Attr("", "node")
			name, node, ok = t.Name, string(v), true
		}
	}
}
