package mms

import "busbar.example/internal/asn1"

// StatusRequest asks how the server is.
//
// ISO 9506-2, Status-Request.
type StatusRequest struct {
	ExtendedDerivation bool `asn:"TRANSPARENT"` // it is to test itself for the answer
}

// StatusResponse says it.
//
// ISO 9506-2, Status-Response.
type StatusResponse struct {
	VMDLogicalStatus  LogicalStatus  `asn:"vmdLogicalStatus [0]"`
	VMDPhysicalStatus PhysicalStatus `asn:"vmdPhysicalStatus [1]"`
	LocalDetail       *StatusDetail  `asn:"localDetail [2] OPTIONAL"` // nil: none
}

// LogicalStatus is what a server lets its peers do.
type LogicalStatus int32

// PhysicalStatus is how well a server works.
type PhysicalStatus int32

// StatusDetail is up to 128 bits of a meaning that the vendor knows. Bit i of the BIT STRING is bit i%64 of element i/64.
type StatusDetail [2]uint64

// The logical states.
const (
	StateChangesAllowed      LogicalStatus = 0
	NoStateChangesAllowed    LogicalStatus = 1
	LimitedServicesPermitted LogicalStatus = 2
	SupportServicesAllowed   LogicalStatus = 3
)

// The physical states.
const (
	Operational          PhysicalStatus = 0
	PartiallyOperational PhysicalStatus = 1
	Inoperable           PhysicalStatus = 2
	NeedsCommissioning   PhysicalStatus = 3
)

var (
	logicalStatusNames  = asn1.Names{"state-changes-allowed", "no-state-changes-allowed", "limited-services-permitted", "support-services-allowed"}
	physicalStatusNames = asn1.Names{"operational", "partially-operational", "inoperable", "needs-commissioning"}
)

// String gives the standard's word for s.
func (s LogicalStatus) String() string { return logicalStatusNames.Text(int64(s)) }

// String gives the standard's word for s.
func (s PhysicalStatus) String() string { return physicalStatusNames.Text(int64(s)) }
