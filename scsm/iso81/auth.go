package iso81

import (
	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
)

// passwordMechanism is the name of authentication by password.
//
// ITU-T X.227, Annex B.
const passwordMechanism = "2.2.3.1"

// proof is what a client shows of itself in AARQ.
type proof struct {
	mechanism string
	value     authenticationValue
}

func (a *Auth) proof() *proof {
	if a == nil {
		return nil
	}
	return &proof{passwordMechanism, charString(a.Password)}
}

// credentials is what the peer has shown of itself, on all layers.
func (a *Association) credentials(aarq *associateRequest) (Credentials, error) {
	c := Credentials{RemoteAddr: a.conn.RemoteAddr().String(), TLS: a.verified}
	if aarq.CallingAPTitle != nil {
		c.APTitle = titleText(aarq.CallingAPTitle)
	}
	if aarq.CallingAEQualifier != nil {
		c.AEQualifier = qualifierText(aarq.CallingAEQualifier)
	}
	switch v := aarq.Authentication.(type) {
	case charString:
		if aarq.Mechanism != "" && aarq.Mechanism != passwordMechanism {
			return c, refusal(DiagnosticMechanismUnknown, nil)
		}
		c.Password = v
	}
	return c, nil
}

// refusal is a *RefusedError of ours.
func refusal(why UserDiagnostic, err error) *RefusedError {
	return &RefusedError{Layer: LayerACSE, Code: int(why), Reason: why.String(), Err: err}
}

// authenticate says who the peer is, or why it is refused.
func (a *Association) authenticate(aarq *associateRequest) (rbac.Subject, error) {
	c, err := a.credentials(aarq)
	if err != nil {
		a.record(idOf(err, audit.PasswordRefused), err.Error())
		return rbac.Subject{}, err
	}
	subject := rbac.Subject{Name: c.RemoteAddr, Unauthenticated: true}
	if v := c.verified(); v != nil {
		subject = rbac.Subject{Name: pki.Name(v.Leaf())}
	}
	if a.subject != nil {
		if subject, err = a.subject(c); err != nil {
			a.record(audit.PasswordRefused, err.Error())
			return rbac.Subject{}, err
		}
	}
	subject.Address = c.RemoteAddr
	return subject, nil
}

// verified is the certificate that names the peer: that of ACSE before that of TLS, nil where there is none.
func (c Credentials) verified() *pki.Verified {
	if c.Certificate != nil {
		return c.Certificate
	}
	return c.TLS
}
