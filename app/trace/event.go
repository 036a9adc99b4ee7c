package trace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Version is that of the shape of the JSON lines. A field that is added keeps it; one that changes its name or
// its meaning makes another.
const Version = 1

// An event is one step of what is traced, and one JSON line. Event says which of the fields are there.
type event struct {
	Event string `json:"event"`
	At    millis `json:"ms"` // since the connection was begun

	Version int    `json:"version,omitempty"` // begin
	Client  string `json:"client,omitempty"`
	Peer    string `json:"peer,omitempty"`

	Time       string   `json:"time,omitempty"`     // connecting
	Address    string   `json:"address,omitempty"`  //
	Local      string   `json:"local,omitempty"`    // connected
	Remote     string   `json:"remote,omitempty"`   //
	From       string   `json:"from,omitempty"`     // stream
	ID         string   `json:"id,omitempty"`       //
	Features   []string `json:"features,omitempty"` // features
	Mechanisms []string `json:"mechanisms,omitempty"`
	TLS        *secured `json:"tls,omitempty"`       // tls
	Mechanism  string   `json:"mechanism,omitempty"` // sasl
	Binding    string   `json:"channelBinding,omitempty"`
	Layer      string   `json:"layer,omitempty"`   // layer: of what MMS over TCP stands on
	Text       string   `json:"text,omitempty"`    //
	Details    []string `json:"details,omitempty"` //
	JID        string   `json:"jid,omitempty"`     // sasl, bound

	Direction string      `json:"direction,omitempty"` // stanza, pdu: sent or received
	Stanza    *stanzaFact `json:"stanza,omitempty"`
	SecPDU    string      `json:"secPDU,omitempty"`      // pdu
	AssoID    string      `json:"association,omitempty"` // pdu, e2e, ended
	PDU       *pduFact    `json:"pdu,omitempty"`
	Octets    *octets     `json:"octets,omitempty"`
	Took      millis      `json:"took,omitempty"` // since what it answers
	XML       string      `json:"xml,omitempty"`
	PDUXML    string      `json:"pduXML,omitempty"`
	SPDU      string      `json:"spdu,omitempty"` // pdu, over TCP
	BER       string      `json:"ber,omitempty"`  // of it, in hex

	E2E     *endToEnd       `json:"e2e,omitempty"`
	Error   *failure        `json:"error,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Summary *summary        `json:"summary,omitempty"`
}

// The events.
const (
	beginEvent       = "begin"
	connectingEvent  = "connecting"
	connectedEvent   = "connected"
	streamEvent      = "stream"
	featuresEvent    = "features"
	tlsEvent         = "tls"
	saslEvent        = "sasl"
	boundEvent       = "bound"
	layerEvent       = "layer"
	stanzaEvent      = "stanza"
	pduEvent         = "pdu"
	establishedEvent = "established"
	endedEvent       = "ended"  // the association
	closedEvent      = "closed" // the stream
	failedEvent      = "failed"
	resultEvent      = "result"
	summaryEvent     = "summary"
)

const sent, received = "sent", "received"

// secured is a TLS connection.
type secured struct {
	Version string       `json:"version"`
	Suite   string       `json:"suite"`
	Server  *certificate `json:"server,omitempty"`
	Client  *certificate `json:"client,omitempty"`
	Direct  bool         `json:"direct,omitempty"` // it came first: nobody asked for STARTTLS
}

// certificate is what a certificate says of whose it is.
type certificate struct {
	Name     string   `json:"name"`
	Issuer   string   `json:"issuer"`
	NotAfter string   `json:"notAfter"`
	DaysLeft int      `json:"daysLeft"`
	Roles    []string `json:"roles,omitempty"`

	until time.Time
}

// stanzaFact is the head of a stanza.
type stanzaFact struct {
	Kind   string `json:"kind"`
	Type   string `json:"type,omitempty"`
	ID     string `json:"id,omitempty"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	About  string `json:"about,omitempty"` // roster, ping, or the condition of an error
	Octets int    `json:"octets"`
}

// pduFact is an MMS PDU and its meaning.
type pduFact struct {
	Name     string   `json:"name"`
	InvokeID *uint32  `json:"invokeID,omitempty"`
	Service  string   `json:"service"`
	Objects  []string `json:"objects,omitempty"`
	Values   []string `json:"values,omitempty"`
	Outcome  string   `json:"outcome,omitempty"`
	Failed   bool     `json:"failed,omitempty"`

	text string
}

// octets are the sizes of one PDU on each layer; 0 is a layer that is not there.
type octets struct {
	MMS     int `json:"mms,omitempty"`    // XER; over TCP, BER
	SecPDU  int `json:"secPDU,omitempty"` // IEC 62351-4
	Stanza  int `json:"stanza,omitempty"`
	TSDU    int `json:"tsdu,omitempty"` // over TCP: with presentation and session
	Packets int `json:"packets,omitempty"`
}

// endToEnd is an association that stands.
type endToEnd struct {
	Protected bool         `json:"protected"`
	Mode      string       `json:"mode,omitempty"`
	Algorithm string       `json:"algorithm,omitempty"`
	Signature string       `json:"signature,omitempty"`
	Group     string       `json:"group,omitempty"`
	Server    *certificate `json:"server,omitempty"`
	Client    *certificate `json:"client,omitempty"`
	KeyLife   string       `json:"keyLife,omitempty"`
	Ends      string       `json:"ends,omitempty"`

	until time.Time
	roles []string // of the peer, where nobody certifies them
}

type failure struct {
	Step string `json:"step,omitempty"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// summary is what it was all together.
type summary struct {
	PDUs    int  `json:"pdus"`
	Refused int  `json:"refused"` // PDUs that say no
	Sent    sums `json:"sent"`
	Recv    sums `json:"received"`

	TCP       millis `json:"tcpMs,omitempty"`
	TLS       millis `json:"tlsMs,omitempty"`
	SASL      millis `json:"saslMs,omitempty"`
	Bind      millis `json:"bindMs,omitempty"`
	Associate millis `json:"associateMs,omitempty"`
	First     millis `json:"firstAnswerMs,omitempty"`
	Total     millis `json:"totalMs"`
}

// sums are octets of all PDUs of one direction, on each layer, and what passed over TCP at all.
type sums struct {
	PDUs   int `json:"pdus"`
	MMS    int `json:"mms"`
	SecPDU int `json:"secPDU"`
	Stanza int `json:"stanza"`
	TCP    int `json:"tcp"`
	TSDU   int `json:"tsdu,omitempty"` // over TCP
	TPKT   int `json:"tpkt,omitempty"` // with the heads of packets and TPDUs
}

// millis is a time that is printed as milliseconds.
type millis time.Duration

func (m millis) ms() float64 { return float64(m) / float64(time.Millisecond) }

// MarshalJSON gives milliseconds to the microsecond.
func (m millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, m.ms(), 'f', 3, 64), nil
}

// String gives milliseconds for people.
func (m millis) String() string { return strconv.FormatFloat(m.ms(), 'f', 1, 64) + " ms" }

// jsonLines prints events as JSON, each on a line.
type jsonLines struct{ out io.Writer }

func (j *jsonLines) event(e *event) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return // every field of an event has an encoding
	}
	j.out.Write(escaped(b.Bytes()))
}

// escaped is JSON in which what a terminal might obey is escaped too; its meaning stays.
func escaped(line []byte) []byte {
	text := strings.TrimSuffix(string(line), "\n")
	if plain(text) {
		return line
	}
	out := make([]byte, 0, len(text)+32)
	for _, r := range text {
		switch {
		case unicode.IsPrint(r) && r != utf8.RuneError:
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return append(out, '\n')
}
