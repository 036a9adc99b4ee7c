package xmppd

import (
	"crypto/sha1"
	"encoding/base64"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"busbar.example/internal/xmltok"
	"busbar.example/xmpp/stanza"
)

// What a server answers itself.
const (
	nsPing       = "urn:xmpp:ping"
	nsTime       = "urn:xmpp:time"
	nsLast       = "jabber:iq:last"
	nsVersion    = "jabber:iq:version"
	nsDiscoInfo  = "http://jabber.org/protocol/disco#info"
	nsDiscoItems = "http://jabber.org/protocol/disco#items"
	nsCaps       = "http://jabber.org/protocol/caps"
)

// capsNode names what the server's capabilities are those of.
const capsNode = "https://busbar.example/"

// subject is whom a request is about that the server answers.
type subject uint8

const (
	theServer   subject = 1 << iota
	ownAccount          // of the one who asks
	contactSeen         // an account whose presence the one who asks may see
	stranger            // another account, or none
)

// request is an iq that the server answers.
type request struct {
	stanza.Stanza
	of   subject
	node string // attribute of the child element
}

// service is what the server answers one kind of request with.
type service struct {
	name xmltok.Name // of the request's child element
	of   subject     // all that may be asked
	get  func(*Server, sender, request)
	set  func(*Server, sender, request)
}

// newServices returns what a server of that configuration answers.
func newServices(cfg *Config) []service {
	roster := service{name: xmltok.Name{Space: nsRoster, Local: "query"}, of: ownAccount, get: getRoster}
	if cfg.Rosters != nil {
		roster.set = setRoster
	}
	all := []service{
		{xmltok.Name{Space: nsDiscoInfo, Local: "query"}, theServer | ownAccount | contactSeen, getDiscoInfo, nil},
		{xmltok.Name{Space: nsDiscoItems, Local: "query"}, theServer | ownAccount | contactSeen, getDiscoItems, nil},
		{xmltok.Name{Space: nsVersion, Local: "query"}, theServer, getVersion, nil},
		{xmltok.Name{Space: nsTime, Local: "time"}, theServer, getTime, nil},
		{xmltok.Name{Space: nsLast, Local: "query"}, theServer, getLast, nil},
		{xmltok.Name{Space: nsPing, Local: "ping"}, theServer | ownAccount, getPing, nil},
		roster,
	}
	if cfg.Registrations > 0 {
		all = append(all, service{xmltok.Name{Space: nsRegister, Local: "query"}, theServer | ownAccount, getRegistration, setRegistration})
	}
	return all
}

// serve answers an iq in the name of the server or of an account.
//
// RFC 6120, Section 8.2.3; RFC 6121, Section 8.5.2.1.3.
func (s *Server) serve(from sender, st stanza.Stanza, of subject) {
	if st.Type != stanza.Get && st.Type != stanza.Set {
		return
	}
	name, node, ok := onlyChild(st.Payload)
	if !ok {
		refuse(from, st, stanza.NewError(stanza.BadRequest, "a request has one child element"))
		return
	}
	for _, v := range s.answers {
		if v.name != name || v.of&of == 0 {
			continue
		}
		answer := v.get
		if st.Type == stanza.Set {
			answer = v.set
		}
		if answer != nil {
			answer(s, from, request{st, of, node})
			return
		}
	}
	refusal := errUnavailable
	if st.Type == stanza.Set && name.Space == nsRoster {
		switch {
		case s.cfg.Rosters == nil && of == ownAccount:
			refusal = stanza.NewError(stanza.NotAllowed, "the roster is configured at the server")
		case s.cfg.Rosters != nil && of&(contactSeen|stranger) != 0: // RFC 6121, Section 2.3.3
			refusal = stanza.NewError(stanza.Forbidden, "this roster is another account's")
		}
	}
	refuse(from, st, refusal)
}

// getPing answers a sign of life.
//
// XEP-0199, Section 4.2.
func getPing(_ *Server, from sender, r request) { from.reply(r.Reply(nil)) }

// getVersion names the program.
//
// XEP-0092.
func getVersion(_ *Server, from sender, r request) {
	from.reply(r.Reply([]byte("<query xmlns='" + nsVersion + "'><name>Busbar</name><version>" + version() + "</version></query>")))
}

// getTime tells the server's clock.
//
// XEP-0202; XEP-0082, Section 3.2.
func getTime(_ *Server, from sender, r request) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	from.reply(r.Reply([]byte("<time xmlns='" + nsTime + "'><tzo>+00:00</tzo><utc>" + now + "</utc></time>")))
}

// getLast tells for how many seconds the server has been running.
//
// XEP-0012, Section 5.
func getLast(s *Server, from sender, r request) {
	up := strconv.FormatInt(int64(time.Since(s.began).Seconds()), 10)
	from.reply(r.Reply([]byte("<query xmlns='" + nsLast + "' seconds='" + up + "'/>")))
}

// getRoster answers with the roster of the one who asks.
func getRoster(s *Server, from sender, r request) {
	ver, versioned := rosterVersionOf(r.Payload)
	s.sendRoster(from.(*session), r.Stanza, ver, versioned) // nobody else has an account here
}

// getDiscoInfo says what the server, or an account on it, is and answers.
//
// XEP-0030, Section 3.
func getDiscoInfo(s *Server, from sender, r request) {
	b := []byte("<query xmlns='" + nsDiscoInfo + "'")
	switch r.node {
	case "":
	case capsNode + "#" + s.caps:
		if r.of == theServer {
			b = append(b, " node='"+r.node+"'"...)
			break
		}
		fallthrough
	default:
		refuse(from, r.Stanza, errNoNode)
		return
	}
	if r.of == theServer {
		b = append(b, "><identity category='server' type='im' name='Busbar'/>"...)
	} else {
		b = append(b, "><identity category='account' type='registered'/>"...)
	}
	for _, f := range featuresOf(s.answers, r.of) {
		b = append(b, "<feature var='"+f+"'/>"...)
	}
	from.reply(r.Reply(append(b, "</query>"...)))
}

// featuresOf returns the features of the server, or of an account.
func featuresOf(answers []service, of subject) []string {
	var features []string
	for _, v := range answers {
		// That the server keeps rosters is told of the server too, where it is looked for.
		if v.of&of != 0 || v.name.Space == nsRoster && of == theServer {
			features = append(features, v.name.Space)
		}
	}
	if of == theServer {
		features = append(features, nsCaps)
	}
	return features
}

// capsOf returns the hash of what the server says of itself, by which clients know whether they have to ask.
//
// XEP-0115, Sections 5.1 and 6.3. The hash is the one that is in use; nothing is protected by it.
func capsOf(answers []service) string {
	features := featuresOf(answers, theServer)
	slices.Sort(features)
	sum := sha1.Sum([]byte("server/im//Busbar<" + strings.Join(features, "<") + "<"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// getDiscoItems says that there are none.
//
// XEP-0030, Section 4.
func getDiscoItems(_ *Server, from sender, r request) {
	if r.node != "" {
		refuse(from, r.Stanza, errNoNode)
		return
	}
	from.reply(r.Reply([]byte("<query xmlns='" + nsDiscoItems + "'/>")))
}

var errNoNode = stanza.NewError(stanza.ItemNotFound, "")

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
