package xmppd

import (
	"io"
	"runtime/debug"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/stanza"
)

// What a server answers itself, besides the roster.
const (
	nsPing       = "urn:xmpp:ping"
	nsVersion    = "jabber:iq:version"
	nsDiscoInfo  = "http://jabber.org/protocol/disco#info"
	nsDiscoItems = "http://jabber.org/protocol/disco#items"
)

// subject is whom a request is about that the server answers.
type subject uint8

const (
	theServer   subject = iota
	ownAccount          // of the one who asks
	contactSeen         // an account whose presence the one who asks may see
)

// serve answers an iq in the name of the server or of an account.
//
// RFC 6120, Section 8.2.3; RFC 6121, Section 8.5.2.1.3; XEP-0030; XEP-0092; XEP-0199.
func (s *Server) serve(from sender, st stanza.Stanza, of subject) {
	if st.Type != stanza.Get && st.Type != stanza.Set {
		return
	}
	name, node, ok := onlyChild(st.Payload)
	if !ok {
		refuse(from, st, stanza.NewError(stanza.BadRequest, "a request has one child element"))
		return
	}
	get := st.Type == stanza.Get
	switch {
	case name == xmltok.Name{Space: nsRoster, Local: "query"} && of == ownAccount:
		if get {
			s.sendRoster(from.(*session), st) // nobody else has an account
		} else {
			refuse(from, st, stanza.NewError(stanza.NotAllowed, "the roster is configured at the server"))
		}
	case name == xmltok.Name{Space: nsPing, Local: "ping"} && get && of != contactSeen:
		from.reply(st.Reply(nil))
	case name == xmltok.Name{Space: nsVersion, Local: "query"} && get && of == theServer:
		from.reply(st.Reply([]byte("<query xmlns='" + nsVersion + "'><name>Busbar</name><version>" + version() + "</version></query>")))
	case name == xmltok.Name{Space: nsDiscoInfo, Local: "query"} && get && node == "":
		from.reply(st.Reply(discoInfo(of)))
	case name == xmltok.Name{Space: nsDiscoItems, Local: "query"} && get && node == "":
		from.reply(st.Reply([]byte("<query xmlns='" + nsDiscoItems + "'/>")))
	case name.Space == nsDiscoInfo, name.Space == nsDiscoItems:
		refuse(from, st, stanza.NewError(stanza.ItemNotFound, ""))
	default:
		refuse(from, st, errUnavailable)
	}
}

// discoInfo says what the server, or an account on it, is and does.
func discoInfo(of subject) []byte {
	identity, features := "<identity category='account' type='registered'/>", []string{nsDiscoInfo, nsDiscoItems}
	switch of {
	case theServer:
		identity, features = "<identity category='server' type='im' name='Busbar'/>", append(features, nsVersion, nsRoster, nsPing)
	case ownAccount:
		features = append(features, nsRoster, nsPing)
	}
	b := []byte("<query xmlns='" + nsDiscoInfo + "'>" + identity)
	for _, f := range features {
		b = append(b, "<feature var='"+f+"'/>"...)
	}
	return append(b, "</query>"...)
}

// version is that of the program which the server is part of.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return string(xmltok.AppendEscaped(nil, info.Main.Version))
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
