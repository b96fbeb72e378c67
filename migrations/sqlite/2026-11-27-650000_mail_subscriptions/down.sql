DROP TABLE dead_mails;
DROP TABLE mail_confirmations;
DROP TABLE mail_subscriptions;
