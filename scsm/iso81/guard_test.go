package iso81

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

// What is no CC of class 0 is none, whatever its length says.
func TestUnexpectedAnswersToCR(t *testing.T) {
	for _, answer := range []string{"03 00 0007 02 f0 80", "03 00 ffff 02 f0 80 41", "48545450", "03 00 0010 0b d0 0001 0001 40 c0010d"} {
		t.Run(answer, func(t *testing.T) {
			r := reader{conn: bytes.NewReader(octets(t, answer))}
			pdu, err := r.tpdu()
			var protocol *ProtocolError
			if err == nil && pdu.code == codeCC && pdu.class == 0 || err != nil && !errors.As(err, &protocol) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %+v, %v", pdu, err)
			}
		})
	}
}

// A value that authenticates does so once, as long as its time would be taken.
func TestAuthenticationsAreRemembered(t *testing.T) {
	var s signatures
	now := time.Unix(1e9, 0)
	c := &certificateBased{Certificate: []byte{1}, Time: "20010909014640Z"}
	for _, step := range []struct {
		after time.Duration
		want  error
	}{{0, nil}, {time.Second, errReplayed}, {clockSkew - 1, errReplayed}, {clockSkew, nil}} {
		if got := s.first(c, now, now.Add(step.after)); got != step.want {
			t.Errorf("after %v: got %v, want %v", step.after, got, step.want)
		}
	}
	for i := range mostSeen + 100 {
		c := &certificateBased{Certificate: []byte{byte(i), byte(i >> 8)}, Time: "x"}
		if err := s.first(c, now, now); err != nil && err != errSeenFull {
			t.Fatal(err)
		}
	}
	if len(s.seen) > mostSeen {
		t.Errorf("%d are remembered, at most %d may be", len(s.seen), mostSeen)
	}
}
