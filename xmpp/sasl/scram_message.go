package sasl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The four messages of an exchange. Each is read in one way only: attributes in
// the order of the grammar, none of them empty or twice, base64 without line
// breaks or stray bits. A mandatory extension is refused, for none is known here;
// others are passed over, and authenticated with the rest.
//
// RFC 5802, Sections 5.1 and 7.

// clientFirst is the client's first message.
type clientFirst struct {
	flag     byte   // 'n', 'y' or 'p'
	binding  string // type, with 'p'
	authzid  string // "" for none
	username string
	nonce    string
	header   string // what stands before bare
	bare     string
}

// serverFirst is the server's first message.
type serverFirst struct {
	nonce      string
	salt       []byte
	iterations int
	offer      []byte // hash of what was offered, nil where it is not there
}

// clientFinal is the client's second message.
type clientFinal struct {
	binding      []byte // the header of the first message, and the channel's data
	nonce        string
	proof        []byte
	withoutProof string
}

func parseClientFirst(s string) (clientFirst, error) {
	var m clientFirst
	flag, rest, _ := strings.Cut(s, ",")
	authzid, bare, ok := strings.Cut(rest, ",")
	if !ok {
		return m, errors.New("no GS2 header")
	}
	m.header, m.bare = s[:len(s)-len(bare)], bare
	m.flag, m.binding, ok = parseFlag(flag)
	if !ok {
		return m, errors.New("no flag for channel binding")
	}
	if authzid != "" {
		name, prefixed := strings.CutPrefix(authzid, "a=")
		if m.authzid, ok = decodeName(name); !ok || !prefixed {
			return m, errors.New("no valid authorization identity")
		}
	}
	v, _, err := parseAttributes(bare, "nr")
	if err != nil {
		return m, err
	}
	if m.username, ok = decodeName(v[0]); !ok {
		return m, errors.New("no valid user name")
	}
	m.nonce = v[1]
	return m, checkNonce(m.nonce)
}

func (m clientFirst) String() string { return m.header + m.bare }

// parseFlag reads what the client says about channel binding.
func parseFlag(s string) (flag byte, binding string, ok bool) {
	if s == "n" || s == "y" {
		return s[0], "", true
	}
	binding, ok = strings.CutPrefix(s, "p=")
	for _, c := range []byte(binding) {
		if !isAlphanumeric(c) && c != '.' && c != '-' {
			return 0, "", false
		}
	}
	return 'p', binding, ok && binding != ""
}

func parseServerFirst(s string) (serverFirst, error) {
	v, extensions, err := parseAttributes(s, "rsi")
	if err != nil {
		return serverFirst{}, err
	}
	m := serverFirst{nonce: v[0]}
	if err := checkNonce(m.nonce); err != nil {
		return m, err
	}
	if m.salt, err = decodeBase64(v[1]); err != nil {
		return m, err
	}
	n, err := strconv.ParseUint(v[2], 10, 31)
	if err != nil || v[2][0] == '0' {
		return m, errors.New("no number of iterations")
	}
	m.iterations = int(n)
	for _, e := range extensions {
		if e.name == 'h' {
			if m.offer, err = decodeBase64(e.value); err != nil {
				return m, err
			}
		}
	}
	return m, nil
}

func (m serverFirst) String() string {
	s := "r=" + m.nonce + ",s=" + encodeBase64(m.salt) + ",i=" + strconv.Itoa(m.iterations)
	if m.offer != nil {
		s += ",h=" + encodeBase64(m.offer)
	}
	return s
}

func parseClientFinal(s string) (clientFinal, error) {
	i := strings.LastIndexByte(s, ',')
	if i < 0 {
		return clientFinal{}, errors.New("no proof")
	}
	m := clientFinal{withoutProof: s[:i]}
	v, _, err := parseAttributes(m.withoutProof, "cr")
	if err != nil {
		return m, err
	}
	p, _, err := parseAttributes(s[i+1:], "p")
	if err != nil {
		return m, err
	}
	m.nonce = v[1]
	if m.binding, err = decodeBase64(v[0]); err != nil {
		return m, err
	}
	if m.proof, err = decodeBase64(p[0]); err != nil {
		return m, err
	}
	return m, checkNonce(m.nonce)
}

// parseServerFinal returns the server's signature, or what it says is wrong.
func parseServerFinal(s string) (signature []byte, fault string, err error) {
	if strings.HasPrefix(s, "e=") {
		v, _, err := parseAttributes(s, "e")
		if err != nil {
			return nil, "", err
		}
		return nil, v[0], nil
	}
	v, _, err := parseAttributes(s, "v")
	if err != nil {
		return nil, "", err
	}
	signature, err = decodeBase64(v[0])
	return signature, "", err
}

// attribute is one that the grammar leaves to extensions.
type attribute struct {
	name  byte
	value string
}

// parseAttributes reads the attributes of the names in want, in that order, and
// the extensions behind them.
func parseAttributes(s, want string) (values []string, extensions []attribute, err error) {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return nil, nil, errors.New("not text in UTF-8")
	}
	seen := map[byte]bool{}
	for field := range strings.SplitSeq(s, ",") {
		if len(field) < 3 || field[1] != '=' || !isAlphanumeric(field[0]) {
			return nil, nil, errors.New("no attribute where there must be one")
		}
		a := attribute{field[0], field[2:]}
		switch at := len(values); {
		case a.name == 'm':
			return nil, nil, errors.New("a mandatory extension")
		case at < len(want) && a.name == want[at]:
			values = append(values, a.value)
		case at < len(want):
			return nil, nil, fmt.Errorf("no attribute %c where it has to be", want[at])
		case seen[a.name] || strings.IndexByte("anrcsipve", a.name) >= 0:
			return nil, nil, fmt.Errorf("attribute %c where none may be", a.name)
		default:
			extensions = append(extensions, a)
		}
		seen[a.name] = true
	}
	if len(values) < len(want) {
		return nil, nil, fmt.Errorf("no attribute %c", want[len(values)])
	}
	return values, extensions, nil
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// checkNonce refuses what is not printable ASCII.
func checkNonce(s string) error {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' {
			return errors.New("no printable nonce")
		}
	}
	return nil
}

var nameEncoder = strings.NewReplacer("=", "=3D", ",", "=2C")

// decodeName reads a name, in which the comma and the equals sign are encoded.
func decodeName(s string) (string, bool) {
	if s == "" || strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) {
		return "", false
	}
	name := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s)
	return name, nameEncoder.Replace(name) == s
}

func encodeBase64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") { // the decoder would pass over them
		return nil, errors.New("line breaks in base64")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("no base64")
	}
	return b, nil
}
