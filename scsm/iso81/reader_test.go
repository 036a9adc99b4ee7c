package iso81

import (
	"bytes"
	"testing"
	"testing/iotest"
)

func TestSegmentsAreReassembled(t *testing.T) {
	for _, size := range []int{1, 124, 125, 126, 250, 4000, 4090, 4096, 5000, 70000} {
		for _, most := range []int{125, 1021, 8189, 65528} {
			tsdu := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, size/7+1)[:size]
			a := &Association{mostData: most}
			wire := a.frame(a.frame(nil, tsdu), tsdu)
			for name, r := range map[string]reader{"whole": {conn: bytes.NewReader(wire)}, "by octets": {conn: iotest.OneByteReader(bytes.NewReader(wire))}} {
				r.mostTSDU, r.mostTPDU = size, most+dataHeader
				for i := range 2 {
					got, err := r.next()
					if err != nil || !bytes.Equal(got, tsdu) {
						t.Fatalf("%d octets in TPDUs of %d, %s, number %d: got %d octets, %v", size, most, name, i, len(got), err)
					}
				}
			}
		}
	}
}
