-- busted's configuration for `bascule rules test`, whatever .busted lies where it is called.
return { default = {} }
