package iso81

// The packet format: version, reserved octet, length of the whole packet in two octets.
//
// RFC 1006, Section 6.
const (
	tpktVersion = 3
	tpktHeader  = 4
	tpktLeast   = 7 // the shortest TPDU has three octets
	tpktMost    = 65535
)

// packetLength reads the header of a packet, of which there are tpktHeader octets.
func packetLength(header []byte) (int, error) {
	if header[0] != tpktVersion {
		return 0, protocolError(LayerTPKT, "version %d", header[0])
	}
	n := int(header[2])<<8 | int(header[3])
	if n < tpktLeast {
		return 0, protocolError(LayerTPKT, "a packet of %d octets", n)
	}
	return n, nil
}

// putPacketHeader writes the header of a packet that is the whole of b.
func putPacketHeader(b []byte) {
	b[0], b[1], b[2], b[3] = tpktVersion, 0, byte(len(b)>>8), byte(len(b))
}
