package acsi

import "fmt"

// FC is a functional constraint. The zero FC means that none is given.
//
// IEC 61850-7-2, Table "Functional constraint values".
type FC uint8

// The functional constraints, in the order in which a logical node's data are laid out on MMS.
const (
	ST FC = iota + 1 // status information
	MX               // measurands
	SP               // set points
	SV               // substitution
	CF               // configuration
	DC               // description
	SG               // setting group
	SE               // setting group, editable
	SR               // service response / service tracking
	OR               // operate received
	BL               // blocking
	EX               // extended definition
	CO               // control
	RP               // unbuffered report control
	BR               // buffered report control
	LG               // log control
	GO               // GOOSE control
	MS               // multicast sampled value control
	US               // unicast sampled value control
)

var fcNames = [...]string{"", "ST", "MX", "SP", "SV", "CF", "DC", "SG", "SE", "SR", "OR", "BL", "EX", "CO",
	"RP", "BR", "LG", "GO", "MS", "US"}

// FCs lists every functional constraint in order.
func FCs() []FC {
	fcs := make([]FC, 0, len(fcNames)-1)
	for fc := ST; int(fc) < len(fcNames); fc++ {
		fcs = append(fcs, fc)
	}
	return fcs
}

// String is the two letters of fc, or "" for the zero FC.
func (fc FC) String() string {
	if int(fc) < len(fcNames) {
		return fcNames[fc]
	}
	return fmt.Sprintf("FC(%d)", uint8(fc))
}

// ParseFC reads two capital letters.
func ParseFC(s string) (FC, error) {
	if len(s) == 2 {
		for fc := ST; int(fc) < len(fcNames); fc++ {
			if fcNames[fc] == s {
				return fc, nil
			}
		}
	}
	return 0, fmt.Errorf("functional constraint %q is unknown: use one of ST, MX, SP, SV, CF, DC, SG, SE, SR, OR, BL, EX, CO", clip(s))
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
