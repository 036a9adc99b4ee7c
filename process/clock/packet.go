package clock

import (
	"encoding/binary"
	"fmt"
	"time"
)

// packetSize is that of a packet without authentication. RFC 4330, Section 4.
const packetSize = 48

// maxRoot is how far a server may say that it is from the source of its time. RFC 5905, Section 7.3, MAXDISP.
const maxRoot = 16 * time.Second

// request is what a client sends: all zero but version 4, mode 3 and, as the time of transmission, a number that only the answer to
// this request repeats.
//
// RFC 4330, Section 5; RFC 5905, Section 7.3.
func request(nonce uint64) []byte {
	b := make([]byte, packetSize)
	b[0] = 4<<3 | 3
	binary.BigEndian.PutUint64(b[40:], nonce)
	return b
}

// answer is what a server says of the time.
type answer struct {
	stratum      int
	received     time.Time // when the server had the request
	transmitted  time.Time // when it answered
	root         time.Duration
	kissOfDeath  string // why it does not say the time, or ""
	unsyncedSelf bool   // it is itself without time
}

// parse reads the answer to the request of nonce. An error says that it is none, and may be somebody else's.
//
// RFC 4330, Section 5; kiss-o'-death: Section 8.
func parse(b []byte, nonce uint64) (answer, error) {
	if len(b) < packetSize {
		return answer{}, fmt.Errorf("%d octets, not %d", len(b), packetSize)
	}
	leap, version, mode := b[0]>>6, b[0]>>3&7, b[0]&7
	switch {
	case mode != 4:
		return answer{}, fmt.Errorf("mode %d, not that of a server", mode)
	case version < 3 || version > 4:
		return answer{}, fmt.Errorf("version %d, not 3 or 4", version)
	case binary.BigEndian.Uint64(b[24:]) != nonce:
		return answer{}, fmt.Errorf("it answers another request")
	}
	a := answer{stratum: int(b[1]), received: timestamp(b[32:]), transmitted: timestamp(b[40:]), root: short(b[4:])/2 + short(b[8:])}
	switch {
	case a.stratum == 0:
		if a.kissOfDeath = kiss(b[12:16]); a.kissOfDeath == "" {
			a.unsyncedSelf = true
		}
	case leap == 3 || a.stratum > 15 || a.root > maxRoot:
		a.unsyncedSelf = true
	case binary.BigEndian.Uint64(b[40:]) == 0 || a.transmitted.Before(a.received):
		return answer{}, fmt.Errorf("it was sent at %v, before the request came at %v", a.transmitted, a.received)
	}
	return a, nil
}

// kiss is the code of a kiss-o'-death: four letters.
func kiss(b []byte) string {
	for _, c := range b {
		if c < 'A' || c > 'Z' {
			return ""
		}
	}
	return string(b)
}

// timestamp reads seconds since 1900 and their fraction, of the years 1968 to 2104.
//
// RFC 4330, Section 3.
func timestamp(b []byte) time.Time {
	seconds, fraction := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	const from1900 = 2_208_988_800 // to 1970
	return time.Unix(seconds-from1900, fraction*1_000_000_000>>32)
}

// short reads seconds as 16 bits and a fraction of 16 bits.
func short(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Second >> 16
}
