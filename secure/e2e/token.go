package e2e

import "time"

// ClearToken1 is the token of the handshake.
//
// IEC 62351-4, 13.3.1.
type ClearToken1 struct {
	SigAlg     AlgorithmIdentifier  `asn:"sigAlg"`
	PKCert     []byte               `asn:"pkCert BASE64"` // DER
	CertPath   [][]byte             `asn:"certPath SEQUENCE OF OCTET STRING BASE64 OPTIONAL"`
	Version    Version              `asn:"version"`
	AssoID     string               `asn:"assoID VisibleString"`
	DHKey      DiffieHellmanSet     `asn:"dhKey"`
	HMAC       AlgorithmIdentifier  `asn:"hmac"` // for HKDF
	Time       string               `asn:"time GeneralizedTime"`
	EncrMode   EncrMode             `asn:"encr-mode"`
	ConfParams ConfidentialityParms `asn:"confParams"`
	AttCert    []byte               `asn:"attCert BASE64 OPTIONAL"` // DER of an attribute certificate
}

// ClearToken2 is the token of data transfer.
//
// IEC 62351-4, 13.3.2.
type ClearToken2 struct {
	AssoID     string            `asn:"assoID VisibleString"`
	Time       string            `asn:"time GeneralizedTime"`
	Seq        uint32            `asn:"seq"`                   // 0 at a new time, then one more each
	IV         []byte            `asn:"iv BASE64 OPTIONAL"`    // nonce: prefix and counter
	Rekey      *DiffieHellmanSet `asn:"rekey OPTIONAL"`        // client only: a new public key
	ReqRekey   *bool             `asn:"reqRekey [0] OPTIONAL"` // server only: asks for one
	ChangedKey *bool             `asn:"changedKey [1] OPTIONAL"`
}

// ClearToken3 is the token of what rejects, aborts and releases. AssoID is empty where it is not
// known.
//
// IEC 62351-4, 13.3.3.
type ClearToken3 struct {
	SigAlg   AlgorithmIdentifier `asn:"sigAlg"`
	Version  Version             `asn:"version"`
	AssoID   string              `asn:"assoID VisibleString OPTIONAL"`
	Time     string              `asn:"time GeneralizedTime"`
	PKCert   []byte              `asn:"pkCert BASE64"`
	CertPath [][]byte            `asn:"certPath SEQUENCE OF OCTET STRING BASE64 OPTIONAL"`
}

// AlgorithmIdentifier names an algorithm. Only AES-GCM has parameters.
//
// RFC 5280, Section 4.1.1.2.
type AlgorithmIdentifier struct {
	Algorithm  string         `asn:"algorithm OBJECT IDENTIFIER"`
	Parameters *GCMParameters `asn:"parameters OPTIONAL"`
}

// GCMParameters holds the length of the tag in octets; absent means 12. The nonce travels in token2.
//
// RFC 5084, Section 3.2.
type GCMParameters struct {
	ICVLen *uint8 `asn:"aes-ICVlen OPTIONAL"`
}

// DiffieHellmanSet is a public key of a key agreement: for group 23 the uncompressed point.
//
// IEC 62351-4, 13.3.1.2.
type DiffieHellmanSet struct {
	Group     string `asn:"dhGroup VisibleString"`
	PublicKey []byte `asn:"dhPublicKey BASE64"`
}

// EncrMode offers, or selects, how data is protected: AEA or *NonAEA.
type EncrMode interface{ encrMode() }

// AEA lists algorithms of authenticated encryption, the preferred one first.
type AEA []AlgorithmIdentifier

// NonAEA lists algorithms of encryption, and of integrity without encryption.
type NonAEA struct {
	Encr []AlgorithmIdentifier `asn:"encr [0] OPTIONAL"`
	ICV  []AlgorithmIdentifier `asn:"icvAlgID [1]"`
}

func (AEA) encrMode()     {}
func (*NonAEA) encrMode() {}

// Version is the set of versions of the native mode that a peer speaks.
type Version uint8

// VersionV1 is the one version that there is.
const VersionV1 Version = 1

// ConfidentialityParms says what keeps the data confidential.
type ConfidentialityParms uint8

// The bits of ConfidentialityParms.
const (
	TLSProtected ConfidentialityParms = 1 << iota
	ApplProtected
	VPN
)

// timestampSize is the length of YYYYMMDDhhmmss,fffZ.
const timestampSize = 19

// appendTimestamp appends t in UTC, cut to the millisecond.
//
// IEC 62351-4, 13.1.2.
func appendTimestamp(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(dst, int(month), 2)
	dst = appendDigits(dst, day, 2)
	dst = appendDigits(dst, hour, 2)
	dst = appendDigits(dst, minute, 2)
	dst = appendDigits(dst, second, 2)
	dst = append(dst, ',')
	dst = appendDigits(dst, t.Nanosecond()/int(time.Millisecond), 3)
	return append(dst, 'Z')
}

func timestamp(t time.Time) string {
	var b [timestampSize]byte
	return string(appendTimestamp(b[:0], t))
}

func appendDigits(dst []byte, n, width int) []byte {
	at := len(dst) + width
	dst = append(dst, "0000"[:width]...)
	for i := at - 1; n > 0 && i >= at-width; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// parseTimestamp reads what appendTimestamp writes, also with a point in place of the comma.
func parseTimestamp(s string) (time.Time, bool) {
	if len(s) != timestampSize || s[14] != ',' && s[14] != '.' || s[18] != 'Z' {
		return time.Time{}, false
	}
	var field [7]int
	at := 0
	for i, width := range [...]int{4, 2, 2, 2, 2, 2, 3} {
		if i == 6 {
			at++ // the comma
		}
		for range width {
			if s[at] < '0' || s[at] > '9' {
				return time.Time{}, false
			}
			field[i] = field[i]*10 + int(s[at]-'0')
			at++
		}
	}
	t := time.Date(field[0], time.Month(field[1]), field[2], field[3], field[4], field[5],
		field[6]*int(time.Millisecond), time.UTC)
	// Date normalises what is out of range; such a text is not a time.
	var b [timestampSize]byte
	back := appendTimestamp(b[:0], t)
	if string(back[:14]) != s[:14] {
		return time.Time{}, false
	}
	return t, true
}

// splitAssoID splits an association id into the client's half and the server's, which is empty
// before it is known. Each is 0 to 999 without leading zeros.
func splitAssoID(id string) (client, server string, ok bool) {
	client = id
	for i := range len(id) {
		if id[i] == ':' {
			client, server = id[:i], id[i+1:]
			if !isHalf(server) {
				return "", "", false
			}
			break
		}
	}
	return client, server, isHalf(client)
}

func isHalf(s string) bool {
	if len(s) == 0 || len(s) > 3 || s[0] == '0' && len(s) > 1 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
