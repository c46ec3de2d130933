//! Ports of well-known network services, so that a program means the same on every host.
//!
//! Falco asks the services database of its host; these are the assignments of IANA that such databases agree on.

/// The port of the service `name`.
pub(super) fn port(name: &str) -> Option<u16> {
    SERVICES.iter().find(|(service, _)| *service == name).map(|&(_, port)| port)
}

#[rustfmt::skip]
const SERVICES: &[(&str, u16)] = &[
    ("tcpmux", 1), ("echo", 7), ("discard", 9), ("systat", 11), ("daytime", 13), ("netstat", 15), ("qotd", 17),
    ("chargen", 19), ("ftp-data", 20), ("ftp", 21), ("ssh", 22), ("telnet", 23), ("smtp", 25), ("mail", 25), ("time", 37),
    ("whois", 43), ("tacacs", 49), ("domain", 53), ("bootps", 67), ("bootpc", 68), ("tftp", 69), ("gopher", 70),
    ("finger", 79), ("http", 80), ("www", 80), ("kerberos", 88), ("iso-tsap", 102), ("acr-nema", 104), ("pop3", 110),
    ("sunrpc", 111), ("portmapper", 111), ("auth", 113), ("nntp", 119), ("ntp", 123), ("epmap", 135),
    ("netbios-ns", 137), ("netbios-dgm", 138), ("netbios-ssn", 139), ("imap2", 143), ("imap", 143), ("snmp", 161),
    ("snmp-trap", 162), ("snmptrap", 162), ("xdmcp", 177), ("bgp", 179), ("irc", 194), ("ldap", 389), ("svrloc", 427),
    ("https", 443), ("snpp", 444), ("microsoft-ds", 445), ("kpasswd", 464), ("submissions", 465), ("smtps", 465),
    ("saft", 487), ("isakmp", 500), ("exec", 512), ("biff", 512), ("login", 513), ("who", 513), ("shell", 514),
    ("syslog", 514), ("printer", 515), ("talk", 517), ("ntalk", 518), ("route", 520), ("uucp", 540), ("klogin", 543),
    ("kshell", 544), ("dhcpv6-client", 546), ("dhcpv6-server", 547), ("rtsp", 554), ("nntps", 563), ("whoami", 565),
    ("submission", 587), ("ipp", 631), ("ldaps", 636), ("ldp", 646), ("tinc", 655), ("silc", 706),
    ("kerberos-adm", 749), ("domain-s", 853), ("rsync", 873), ("ftps-data", 989), ("ftps", 990), ("telnets", 992),
    ("imaps", 993), ("pop3s", 995), ("socks", 1080), ("proofd", 1093), ("openvpn", 1194), ("rmiregistry", 1099),
    ("kazaa", 1214), ("nessus", 1241), ("ms-sql-s", 1433), ("ms-sql-m", 1434), ("ingreslock", 1524),
    ("datametrics", 1645), ("sa-msg-port", 1646), ("l2f", 1701), ("radius", 1812), ("radius-acct", 1813),
    ("cisco-sccp", 2000), ("nfs", 2049), ("gnunet", 2086), ("rtcm-sc104", 2101), ("gsigatekeeper", 2119), ("gris", 2135),
    ("cvspserver", 2401), ("mon", 2583), ("gsiftp", 2811), ("gpsd", 2947), ("gds-db", 3050), ("icpv2", 3130),
    ("iscsi-target", 3260), ("mysql", 3306), ("ms-wbt-server", 3389), ("nut", 3493), ("distcc", 3632), ("daap", 3689),
    ("svn", 3690), ("suucp", 4031), ("sysrqd", 4094), ("sieve", 4190), ("epmd", 4369), ("remctl", 4373), ("f5-iquery", 4353),
    ("ipsec-nat-t", 4500), ("iax", 4569), ("mtn", 4691), ("radmin-port", 4899), ("sip", 5060), ("sip-tls", 5061),
    ("xmpp-client", 5222), ("xmpp-server", 5269), ("cfengine", 5308), ("mdns", 5353), ("postgresql", 5432),
    ("freeciv", 5556), ("amqps", 5671), ("amqp", 5672), ("x11", 6000), ("redis", 6379), ("sge-qmaster", 6444),
    ("ircd", 6667), ("ircs-u", 6697), ("bacula-dir", 9101), ("bacula-fd", 9102), ("bacula-sd", 9103), ("http-alt", 8080),
    ("puppet", 8140), ("xmms2", 9667), ("zabbix-agent", 10050), ("zabbix-trapper", 10051), ("amanda", 10080),
    ("webmin", 10000), ("git", 9418), ("memcached", 11211), ("vnc", 5900),
];
